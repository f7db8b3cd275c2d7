"""What is wrong with the values of data: told with the file and the row, before training where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from netdsl.types import TensorType
from netruntime.data.options import IGNORED_LABEL, DataOptions
from netruntime.errors import DataInputError, shown
from netruntime.io.arrays import Array, CastError

if TYPE_CHECKING:
    from netruntime.data.dataset import Dataset

_CHUNK = 4096


def refuse_nonfinite(values: Array, name: str, indices: Array, dataset: Dataset) -> None:
    """Raises `DataInputError` E1007 with the first row that holds NaN or infinity."""
    finite = np.isfinite(values.astype(np.float32) if values.dtype.kind == "V" else values)
    if finite.all():
        return
    bad = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))
    place = np.unravel_index(int(np.argmin(finite[bad[0]])), values.shape[1:])
    value = values[bad[0]][place] if values.ndim > 1 else values[bad[0]]
    at = f" at {[int(n) for n in place]}" if place else ""
    raise DataInputError.make(
        "E1007",
        f"{dataset.place(name, int(indices[bad[0]]))}, read for {shown(name)}, holds {value}{at}",
        help="clean the data; `netrun check-data` has no way to guess what the value should be",
    )


def refuse_values(
    dataset: Dataset, name: str, indices: Array, type: TensorType, lost: CastError
) -> DataInputError:
    """The error E1004 for values that an input's element type cannot hold."""
    first = int(indices[0]) if len(indices) else 0
    message = f"{dataset.place(name, first)} and its neighbours, read for {shown(name)} ({type}): it {lost}"
    return DataInputError.make("E1004", message, help=lost.help)


def label_values(dataset: Dataset, name: str) -> Array:
    """One label input of all rows, read in pieces: integers `[N]`, or `[N * T]` of sequences."""
    return np.concatenate([values[name].reshape(-1) for _, values in _pieces(dataset)])


def check_labels(dataset: Dataset, options: DataOptions) -> None:
    """Raises `DataInputError` E1008 with the first label that is no class."""
    counts = {name: _class_count(name, dataset, options.classes) for name in dataset.labels}
    if not any(counts.values()):
        return
    for indices, values in _pieces(dataset):
        for name, count in counts.items():
            if count:
                _check_range(values[name], name, indices, count, dataset)


def _check_range(labels: Array, name: str, indices: Array, count: int, dataset: Dataset) -> None:
    flat = labels.reshape(len(labels), -1)
    wrong = (flat >= count) | ((flat < 0) & (flat != IGNORED_LABEL))
    if not wrong.any():
        return
    row, column = (int(n) for n in np.argwhere(wrong)[0])
    raise DataInputError.make(
        "E1008",
        f"{dataset.place(name, int(indices[row]))} has the label {int(flat[row, column])}, "
        f"and {count} classes have the labels 0 to {count - 1}",
        help="count labels from 0, or give the model more classes",
    )


def _class_count(name: str, dataset: Dataset, classes: int | Mapping[str, int] | None) -> int:
    if isinstance(classes, Mapping):
        return classes.get(name, 0)
    return classes or 0


def _pieces(dataset: Dataset) -> Iterator[tuple[Array, dict[str, Array]]]:
    for start in range(0, len(dataset), _CHUNK):
        indices = np.arange(start, min(start + _CHUNK, len(dataset)))
        yield indices, dataset.rows(indices)
