"""Summaries of outputs: type, range, first values, largest classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.folders import refuse_endless
from netdsl.immutable import immutable
from netruntime.cli.common.failures import file_error, usage_error
from netruntime.cli.common.output import json_number
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, info_of

FIRST = 6
"""The number of values that a table shows."""

MAX_JSON_VALUES = 10_000
"""Larger arrays are omitted from JSON on standard output; `--save` has no such limit."""


@immutable
class ArraySummary:
    """A summary of an array. `low`, `mean` and `high` are of the finite values; None if there are none."""

    type: str
    low: float | None
    mean: float | None
    high: float | None
    first: tuple[float | int | bool, ...]
    nonfinite: int


def summarise(array: Array) -> ArraySummary:
    """The summary of an array of floats, integers or booleans."""
    numbers = array.astype(np.float64).reshape(-1)
    finite = numbers[np.isfinite(numbers)]
    first = tuple(plain(array).reshape(-1)[:FIRST].tolist())
    nonfinite = numbers.size - finite.size
    if not finite.size:
        return ArraySummary(str(info_of(array)), None, None, None, first, nonfinite)
    low, mean, high = float(finite.min()), float(finite.mean()), float(finite.max())
    return ArraySummary(str(info_of(array)), low, mean, high, first, nonfinite)


def plain(array: Array) -> Array:
    """The array in a type that every reader supports: bf16 becomes float32, which holds it exactly."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def array_json(array: Array) -> dict[str, Any]:
    """An output for `--json`. NaN and infinity become null; `values` is null if there are too many."""
    summary = summarise(array)
    document: dict[str, Any] = {
        "type": summary.type,
        "shape": list(array.shape),
        "nonfinite": summary.nonfinite,
    }
    document |= {"min": summary.low, "mean": summary.mean, "max": summary.high}
    document["values"] = nested(array) if array.size <= MAX_JSON_VALUES else None
    return document


def nested(array: Array) -> Any:
    """The array as nested lists of JSON numbers, with null for NaN and infinity."""
    array = plain(array)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    flat = [json_number(value) for value in array.reshape(-1).tolist()]
    return np.array(flat, dtype=object).reshape(array.shape).tolist()


@immutable
class Class:
    """One of the largest classes: its index, its name, its raw value, and its probability."""

    index: int
    label: str
    value: float
    probability: float


@immutable
class TopClasses:
    """The largest classes of an output, for each position of its other axes.

    `is_probability` is true if the values are probabilities themselves, so that no softmax was applied.
    """

    output: str
    is_probability: bool
    positions: tuple[tuple[tuple[int, ...], tuple[Class, ...]], ...]


def top_classes(name: str, array: Array, count: int, labels: Sequence[str] | None) -> TopClasses:
    """The `count` largest values along the last axis of an array of floats.

    Raises `DataInputError` E0855 if there is not one label for each class.
    """
    classes = array.shape[-1]
    if labels is not None and len(labels) != classes:
        raise DataInputError.make(
            "E0855", f"there are {len(labels)} labels, but `{name}` has {classes} classes on its last axis"
        )
    rows = array.astype(np.float64).reshape(-1, classes)
    ready = is_probability(rows)
    chances = rows if ready else softmax(rows)
    order = np.argsort(-rows, axis=-1, kind="stable")[:, :count]
    positions = []
    for n, (row, best) in enumerate(zip(rows, order.tolist(), strict=True)):
        place = tuple(int(i) for i in np.unravel_index(n, array.shape[:-1])) if array.ndim > 1 else ()
        classes = (Class(i, labels[i] if labels else "", float(row[i]), float(chances[n, i])) for i in best)
        positions.append((place, tuple(classes)))
    return TopClasses(name, ready, tuple(positions))


def is_probability(rows: Array) -> bool:
    """Whether every row is a distribution: no negative values, and a sum of 1 to three digits."""
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=-1) - 1) < 1e-3).all())


def softmax(rows: Array) -> Array:
    """The softmax over the last axis."""
    with np.errstate(invalid="ignore", over="ignore"):
        powers: Array = np.exp(rows - rows.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def with_classes(outputs: Mapping[str, Array]) -> list[str]:
    """The outputs that can have classes on their last axis. Raises `CommandLineError` E0923 if none can."""
    names = [n for n, a in outputs.items() if a.ndim and a.size and plain(a).dtype.kind == "f"]
    if not names:
        types = ", ".join(f"`{name}` is {info_of(array)}" for name, array in outputs.items())
        raise usage_error("E0923", f"--top needs an output of floats with classes on its last axis: {types}")
    return names


def read_labels(path: Path) -> list[str]:
    """Class names, one per line. Raises `FileAccessError` E0942."""
    try:
        refuse_endless(path)
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as wrong:
        raise file_error(
            "E0942", f"the labels {shown(path)} are not UTF-8 text: byte {wrong.start}"
        ) from None
    except (OSError, ValueError) as reason:
        words = getattr(reason, "strerror", None) or reason
        raise file_error("E0942", f"the labels {shown(path)} cannot be read: {words}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]
