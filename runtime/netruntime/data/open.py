"""From what the user names to a data set that fits the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netdsl.types import TensorType
from netruntime.data.checks import check_labels
from netruntime.data.dataset import Dataset, FittedDataset
from netruntime.data.formats.arrays_of_numpy import read_array_file
from netruntime.data.matching import match_columns
from netruntime.data.options import DEFAULT_OPTIONS, DataOptions
from netruntime.data.table import Table, array_table
from netruntime.errors import DataInputError, shown

DataSpec = str | os.PathLike[str] | Mapping[str, Any] | Iterable[Any]


def open_data(
    spec: DataSpec, wanted: Mapping[str, TensorType], options: DataOptions = DEFAULT_OPTIONS
) -> Dataset:
    """The data set that `spec` names, matched to the inputs `wanted`."""
    table = _read(spec)
    dataset = FittedDataset(table, match_columns(table, wanted, options), options)
    check_labels(dataset, options)
    return dataset


def _read(spec: DataSpec) -> Table:
    if isinstance(spec, Mapping):
        import numpy as np

        return array_table({name: np.asarray(values) for name, values in spec.items()}, "the data")
    if isinstance(spec, (str, os.PathLike)):
        return read_array_file(Path(spec))
    raise DataInputError.make("E1001", f"{shown(type(spec).__name__)} is not data")
