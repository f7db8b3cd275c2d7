"""Outputs as a table: a row for each row of the data, with its largest classes or with its numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from netdsl.model import Phase
from netdsl.targets import class_uses, target_ranges
from netruntime.cli.common.failures import usage_error
from netruntime.cli.run.results import Class
from netruntime.files.arrays import Array

Row = Mapping[str, Array]
Columns = Mapping[str, Sequence[object]]


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


def class_table(first: Columns, classes: Sequence[Sequence[Class]]) -> str:
    """CSV of the largest classes of each row with their probabilities, behind the columns of `first`.

    The columns are numbered where a row has several classes.
    """
    count = max(map(len, classes), default=1)
    words = [(n + 1, word) for n in range(count) for word in ("class", "probability")]
    heads = [f"{word}_{n}" if count > 1 else word for n, word in words]
    cells = [
        [c for one in row for c in (one.label or one.index, f"{one.probability:.6g}")] for row in classes
    ]
    return _csv(heads, first, cells)


def rows_of(outputs: Row) -> list[Row]:
    """The outputs of a batch, row by row; all of them as one row where they have no batch axis in common."""
    sizes = {array.shape[0] if array.ndim else None for array in outputs.values()}
    size = sizes.pop() if len(sizes) == 1 else None
    return [outputs] if size is None else [{k: v[n] for k, v in outputs.items()} for n in range(size)]


def number_table(first: Columns, rows: Sequence[Row]) -> str:
    """The rows as CSV, behind the columns of `first`; an output of several numbers has numbered columns.

    Raises:
        CommandLineError: E0923 for an output with several axes in each row, or of different sizes.
    """
    columns = [column for name in rows[0] for column in _columns(name, rows)]
    cells = [[text for array in row.values() for text in _texts(array)] for row in rows]
    return _csv(columns, first, cells)


def _csv(heads: Sequence[str], first: Columns, cells: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*first, *heads])
    for beside, row in zip(zip(*first.values(), strict=True), cells, strict=True):
        writer.writerow([*beside, *row])
    return stream.getvalue()


def _columns(name: str, rows: Sequence[Row]) -> list[str]:
    shapes = {row[name].shape for row in rows}
    shape = max(shapes, key=len)
    if len(shapes) > 1 or len(shape) > 1:
        listed = " and ".join(map(str, sorted(map(list, shapes))[:2]))
        message = f"`{name}` has {listed} in its rows, which a table does not hold"
        raise usage_error("E0923", message, "save the outputs as .jsonl, .json or .npz")
    return [name] if shape in ((), (1,)) else [f"{name}_{n}" for n in range(shape[0])]


def _texts(array: Array) -> list[object]:
    """Numbers with the digits of their type, `true` or `false`."""
    values = array.reshape(-1)
    return [str(value).lower() for value in values] if array.dtype.kind == "b" else list(values)
