"""Data from Python objects: a mapping of arrays, indexable rows, and iterables of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Protocol

import numpy as np

from netdsl.immutable import immutable
from netruntime.arguments import check_mapping
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, plain_array, short_name
from netruntime.readers.table import (
    ArrayColumn,
    Column,
    ColumnInfo,
    ColumnTable,
    RaggedColumn,
    Values,
    table_of,
)

_SAMPLE = 8
"""The number of rows that are examined to see whether rows differ in length."""

MAX_KEPT_BYTES = 2**30
"""The rows of an iterable that are kept in memory, to be read again."""
_OVERHEAD = 200
"""The bytes that Python takes for an array besides its elements."""


class Rows(Protocol):
    """The interface of a torch-style dataset."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def read_mapping(data: Mapping[str, Any]) -> ColumnTable:
    """A table of arrays by name: NumPy, CuPy, PyTorch, or lists; lists of different lengths are sequences.

    Raises `DataInputError`: E0834 for what is not an array of numbers, E0813 for no rows.
    """
    check_mapping(data, "data")
    return table_of({name: _column(name, values) for name, values in data.items()}, "the data")


def _column(name: str, values: Any) -> Column:
    source = f"the data's {shown(name)}"
    if (
        isinstance(values, Sequence)
        and values
        and all(isinstance(row, (Sequence, np.ndarray)) for row in values)
    ):
        rows = [_array(row, f"row {n} of {source}") for n, row in enumerate(values)]
        if len({row.shape for row in rows}) > 1:
            return _ragged(rows, source)
        return ArrayColumn(np.stack(rows), source)
    array = _array(values, source)
    if not array.ndim:
        raise DataInputError.make("E0834", f"{source} is a single number, but data has an axis of rows")
    return ArrayColumn(array, source)


def _ragged(rows: Sequence[Array], source: str) -> Column:
    if len({row.shape[1:] for row in rows}) > 1 or not all(row.ndim for row in rows):
        row = next(n for n, row in enumerate(rows) if row.shape[1:] != rows[0].shape[1:] or not row.ndim)
        message = (
            f"row {row} of {source} has the shape {list(rows[row].shape)}, and row 0 {list(rows[0].shape)}"
        )
        raise DataInputError.make("E0834", message, help="only the first axis of rows may differ")
    return RaggedColumn.of(rows, np.result_type(*rows), source)


def _array(values: Any, where: str) -> Array:
    try:
        array = plain_array(values)
    except ValueError as wrong:
        reason = str(wrong).partition("\n")[0]
        raise DataInputError.make("E0834", f"{where} is not an array of numbers: {reason}") from wrong
    if short_name(array.dtype) is None:
        help = "give arrays of numbers or truth values"
        if array.dtype.kind in "UO" and array.ndim <= 1:
            help = "for labels that are words, give numbers: numpy.unique(labels, return_inverse=True)[1]"
        raise DataInputError.make(
            "E0834", f"{where} holds {array.dtype}, which is not a number type", help=help
        )
    return array


# -- rows ------------------------------------------------------------------------------------------


@immutable
class RowReader:
    """Turns a user's row into arrays: a mapping by name, a tuple in the order of `inputs`, or one value."""

    inputs: tuple[str, ...]

    def __call__(self, row: Any, where: str) -> dict[str, Array]:
        if isinstance(row, Mapping):
            return {str(name): _array(value, f"{shown(name)} of {where}") for name, value in row.items()}
        parts = tuple(row) if isinstance(row, (tuple, list)) else (row,)
        names = self.inputs if len(parts) == len(self.inputs) else tuple(str(n) for n in range(len(parts)))
        return {
            name: _array(part, f"{shown(name)} of {where}") for name, part in zip(names, parts, strict=True)
        }


def row_columns(rows: Sequence[Mapping[str, Array]], source: str) -> dict[str, ColumnInfo]:
    """What columns some rows have; vectors of integers, and what differs in its first axis, are ragged."""
    found = {}
    for name, first in rows[0].items():
        shapes = {row[name].shape for row in rows if name in row}
        is_ragged = first.ndim > 0 and (len(shapes) > 1 or (first.ndim == 1 and first.dtype.kind in "iu"))
        shape = (None, *first.shape[1:]) if is_ragged else first.shape
        found[name] = ColumnInfo(short_name(first.dtype) or "", shape, source)
    return found


def stack_rows(
    rows: Sequence[Mapping[str, Array]],
    columns: Mapping[str, ColumnInfo],
    names: Sequence[str],
    places: Sequence[str],
) -> dict[str, Values]:
    """The columns of some rows. Raises `DataInputError` E0834 where a row is unlike the first."""
    for row, place in zip(rows, places, strict=True):
        for name in names:
            _check_row(row, name, columns[name], place)
    result: dict[str, Values] = {}
    for name in names:
        values = [row[name] for row in rows]
        result[name] = values if columns[name].is_ragged else np.stack(values)
    return result


def _check_row(row: Mapping[str, Array], name: str, info: ColumnInfo, place: str) -> None:
    if name not in row:
        held = ", ".join(map(shown, row)) or "nothing"
        raise DataInputError.make("E0834", f"{place} has no {shown(name)}; it has {held}")
    shape = row[name].shape
    same = shape[1:] == info.shape[1:] and len(shape) > 0 if info.is_ragged else shape == info.shape
    if not same:
        found = f"{shown(name)} of shape {list(shape)}"
        message = f"{place} has {found}, but the first row {list(info.shape)}".replace("None", "*")
        raise DataInputError.make("E0834", message, help="give all rows one shape, or batch them yourself")


@immutable
class RowTable:
    """The table of a torch-style dataset, whose rows are read by number."""

    data: Rows
    reader: RowReader
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vocabulary: None = None
    notes: tuple[str, ...] = ()
    overlap: None = None
    ready: frozenset[str] = frozenset()

    @cached_property
    def columns(self) -> Mapping[str, ColumnInfo]:
        if not len(self.data):
            raise DataInputError.make("E0813", "the data set holds no rows")
        sample = [self._row(n) for n in range(min(_SAMPLE, len(self.data)))]
        return row_columns(sample, "the data set")

    def __len__(self) -> int:
        return len(self.data)

    def take(self, names: Sequence[str], indices: Array) -> dict[str, Values]:
        rows = [self._row(int(n)) for n in indices]
        return stack_rows(rows, self.columns, names, [self.place("", int(n)) for n in indices])

    def count(self, name: str) -> int:
        return len(self)

    def lengths(self, name: str) -> None:
        return None

    def place(self, name: str, row: int) -> str:
        return f"row {row} of the data set"

    def _row(self, index: int) -> dict[str, Array]:
        return self.reader(self.data[index], self.place("", index))


@dataclass
class RowStream:
    """The rows of an iterable; a generator can be gone through once, its first rows having been looked at.

    With `keeps` its rows stay in memory, so that it can be gone through again, unless they are too many.
    """

    data: Iterable[Any]
    keeps: bool = False
    peeked: list[Any] = field(default_factory=list)
    _rest: Iterator[Any] | None = None
    _kept: list[Any] = field(default_factory=list)
    _is_kept: bool = False

    def __post_init__(self) -> None:
        iterator = iter(self.data)
        for row in iterator:
            self.peeked.append(row)
            if len(self.peeked) == _SAMPLE:
                break
        if iterator is self.data:
            self._rest = iterator
        if not self.peeked:
            raise DataInputError.make("E0813", "the iterable has no rows")

    @property
    def is_once(self) -> bool:
        """Whether the data is an iterator, which cannot restart."""
        return iter(self.data) is self.data

    def __iter__(self) -> Iterator[Any]:
        if not self.is_once:
            yield from self.data
            return
        if self._is_kept:
            yield from self._kept
            return
        if self._rest is None:
            help = "for more than one epoch, pass a list, or an object whose __iter__ starts again"
            raise DataInputError.make("E0841", "the iterator is exhausted and cannot restart", help=help)
        rest, self._rest = self._rest, None
        size = 0
        for row in chain(self.peeked, rest):
            size += row_bytes(row) if self.keeps else MAX_KEPT_BYTES + 1
            if size <= MAX_KEPT_BYTES:
                self._kept.append(row)
            else:
                self._kept.clear()
            yield row
        self._is_kept = size <= MAX_KEPT_BYTES

    def read_all(self) -> list[Any]:
        """All rows. Raises `DataInputError` E0845 if they do not end before they fill much memory."""
        rows, size = [], 0
        for row in self:
            rows.append(row)
            size += row_bytes(row)
            if size > MAX_KEPT_BYTES:
                help = "give `steps`, so that its rows are used as they come, or a list of them"
                message = f"the iterable has no end within its first {len(rows):,} rows"
                raise DataInputError.make("E0845", message, help=help)
        return rows


def row_bytes(row: Any) -> int:
    """About how much memory a row takes."""
    parts = row.values() if isinstance(row, Mapping) else row if isinstance(row, (tuple, list)) else (row,)
    return sum(getattr(part, "nbytes", 64) + _OVERHEAD for part in parts)
