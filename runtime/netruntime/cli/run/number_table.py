"""Outputs as a table of numbers: a row for each row of the data, a column for each number."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from netdsl.model import Phase
from netdsl.targets import class_uses, target_ranges
from netruntime.cli.common.failures import usage_error
from netruntime.files.arrays import Array

Row = Mapping[str, Array]


def holds_classes(phases: Sequence[Phase], row: Row) -> bool:
    """Whether the outputs of a row are scores of classes, of which a table shows the largest.

    They are if an output has several numbers on one axis, unless the `train` sections compare no output with
    classes.
    """
    if not any(array.ndim == 1 and array.size > 1 for array in row.values()):
        return any(array.ndim > 1 for array in row.values())
    return not phases or any(_is_classified(phase) for phase in phases)


def _is_classified(phase: Phase) -> bool:
    body = phase.model.body
    losses = {loss for loss, _ in target_ranges(phase).values()}
    return bool(class_uses(body.inputs, body.steps)) or "cross_entropy" in losses


def rows_of(outputs: Row) -> list[Row]:
    """The outputs of a batch, row by row; all of them as one row where they have no batch axis in common."""
    sizes = {array.shape[0] if array.ndim else None for array in outputs.values()}
    size = sizes.pop() if len(sizes) == 1 else None
    return [outputs] if size is None else [{k: v[n] for k, v in outputs.items()} for n in range(size)]


def number_table(rows: Sequence[Row], first: Mapping[str, Sequence[object]]) -> str:
    """The rows as CSV, behind the columns of `first`; an output of several numbers has numbered columns.

    Raises:
        CommandLineError: E0923 for an output with several axes in each row, or of different sizes.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [column for name in rows[0] for column in _columns(name, rows)]
    writer.writerow([*first, *columns])
    for beside, row in zip(zip(*first.values(), strict=True), rows, strict=True):
        writer.writerow(
            [*beside, *(text for array in row.values() for text in map(_text, array.reshape(-1)))]
        )
    return stream.getvalue()


def _columns(name: str, rows: Sequence[Row]) -> list[str]:
    shapes = {row[name].shape for row in rows}
    shape = max(shapes, key=len)
    if len(shapes) > 1 or len(shape) > 1:
        listed = " and ".join(map(str, sorted(map(list, shapes))[:2]))
        message = f"`{name}` has {listed} in its rows, which a table does not hold"
        raise usage_error("E0923", message, "save the outputs as .jsonl, .json or .npz")
    return [name] if shape in ((), (1,)) else [f"{name}_{n}" for n in range(shape[0])]


def _text(value: object) -> object:
    """A number with the digits of its type, true or false, or a word."""
    return str(value).lower() if isinstance(value, bool) or type(value).__name__.startswith("bool") else value
