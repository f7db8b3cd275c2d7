"""Opens the data that a user names as a data set that fits the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from io import IOBase
from typing import Any, cast, overload

import numpy as np

from netdsl.types import TensorType
from netruntime.arguments import check_instance, check_mapping
from netruntime.data.checks import check_ready
from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.data.embedded import RowReader, Rows, RowStream, RowTable, read_mapping
from netruntime.data.fitted import FittedDataset
from netruntime.data.matching import match_columns
from netruntime.data.padding import filler_kind
from netruntime.data.streaming import fit_stream
from netruntime.errors import DataInputError, shown
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DEFAULT_OPTIONS, DataOptions
from netruntime.readers.sources import paths_of, read_paths
from netruntime.readers.table import ColumnTable, Table
from netruntime.sizes import one_example

DataSpec = str | os.PathLike[str] | Mapping[str, Any] | Iterable[Any]
Models = Sequence[Mapping[str, TensorType]]


@overload
def open_data(
    spec: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any],
    wanted: Mapping[str, TensorType],
    options: DataOptions = DEFAULT_OPTIONS,
    models: Models = (),
) -> Dataset: ...


@overload
def open_data(
    spec: DataSpec,
    wanted: Mapping[str, TensorType],
    options: DataOptions = DEFAULT_OPTIONS,
    models: Models = (),
) -> Dataset | StreamDataset: ...


def open_data(
    spec: DataSpec,
    wanted: Mapping[str, TensorType],
    options: DataOptions = DEFAULT_OPTIONS,
    models: Models = (),
) -> Dataset | StreamDataset:
    """The data that `spec` names, matched to the inputs `wanted` (the batch axis first) by name.

    `spec` is a file or a folder; several, whose rows follow one another (two texts are a translation); pairs
    `name=FILE` or `name=FILE:column`, in one string or several; a mapping of arrays,
    or a tuple of one array for each input; rows that can be indexed
    (a list, a torch-style dataset) of mappings, or of tuples in the order of the inputs; or an iterable of
    such rows, which gives a `StreamDataset`. `notes` says what was done to make the data fit. `models` are
    the inputs of each model that uses the data, if several do; where one takes all rows as one example, such
    as a graph, they are one batch.

    Raises `DataInputError` E0801 to E0859, each with the file and the row; and `MissingExtraError`.
    """
    check_instance(models, "models", (list, tuple), "a list of the inputs of each model")
    for types in (wanted, *models):
        check_mapping(types, "models" if types is not wanted else "wanted")
        for name, wished in types.items():
            check_instance(wished, f"wanted[{name!r}]", (TensorType,), "one that `tensor` returns")
    check_instance(options, "options", (DataOptions,), "a `DataOptions`")
    inputs = tuple(name for name, type in wanted.items() if filler_kind(name, type) is None)
    reason = next((why for types in models or [wanted] if (why := one_example(types))), None)
    if isinstance(spec, Mapping):
        table: Table = read_mapping(spec)
    elif (paths := paths_of(spec)) is not None:
        table = read_paths(paths, [InputSpec(name, wanted[name]) for name in inputs], options)
    elif isinstance(spec, tuple) and len(spec) == len(inputs) and all(getattr(x, "shape", ()) for x in spec):
        table = read_mapping(dict(zip(inputs, spec, strict=True)))
    elif _is_indexed(spec):
        table = RowTable(cast(Rows, spec), RowReader(inputs))
    elif hasattr(spec, "__iter__") and not isinstance(spec, (type, np.ndarray, IOBase)):
        return fit_stream(RowStream(cast(Iterable[Any], spec)), RowReader(inputs), wanted, options, reason)
    else:
        what = "an array without axes" if isinstance(spec, np.ndarray) else shown(type(spec).__name__)
        message = f"{what} is neither a path, nor arrays by name, nor rows"
        raise DataInputError.make(
            "E0803", message, help="give something with __len__ and __getitem__, or __iter__"
        )
    if isinstance(table, ColumnTable):
        _check_rows(table, reason)
    match = match_columns(table, wanted, options, reason)
    dataset = FittedDataset(table, match, options, reason)
    check_ready(dataset)
    return dataset


def _is_indexed(spec: object) -> bool:
    """Whether a value has rows and their number. Raises `DataInputError` E0803 for a number that is none."""
    if isinstance(spec, type) or not (hasattr(spec, "__len__") and hasattr(spec, "__getitem__")):
        return False
    if isinstance(spec, np.ndarray):
        return spec.ndim > 0
    try:
        return len(cast(Rows, spec)) >= 0
    except (TypeError, ValueError) as wrong:
        message = f"{shown(type(spec).__name__)} does not say how many rows it has: {wrong}"
        help = "`__len__` must return an integer that is not negative"
        raise DataInputError.make("E0803", message, help=help) from None


def _check_rows(table: ColumnTable, one_example: str | None) -> None:
    """Raise E0854 for columns of different lengths, E0839 for the rows of several files, if they are one."""
    if one_example is None:
        table.refuse_uneven()
    elif table.files > 1:
        message = f"{table.where} are {table.files} files, but {one_example}"
        help = "give one file, or declare the inputs with a batch axis: [B, N, N]"
        raise DataInputError.make("E0839", message, help=help)
