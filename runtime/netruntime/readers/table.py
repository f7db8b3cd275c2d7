"""Data as stored in its file: named columns of rows, independent of any model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, short_name

Values = Array | list[Array]
"""Rows of a column: one array `[n, *item]`, or a list of n arrays where they differ in length."""

Role = Literal["input", "label", "extra", ""]
"""The role of a column, if the reader knows it; an `extra` column only fits an input of the same name."""


MAX_CHECKED_BYTES = 2**28
"""Larger columns are checked batch by batch as they are read, and not beforehand."""

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


@immutable
class ColumnInfo:
    """What a column holds; prints as `u8[N, 28, 28]`.

    `shape` is one row's; its first size is None where rows are sequences of different lengths. `source` says
    where the column comes from, for messages. `picture` is `(C, H, W)` where a row is a picture, whatever its
    own layout. `rows` is how many there are, where all of them are one input and not batches.
    """

    dtype: str
    shape: tuple[int | None, ...]
    source: str
    picture: tuple[int, int, int] | None = None
    role: Role = ""
    rows: int | None = None

    @property
    def is_ragged(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    @property
    def item(self) -> tuple[int, ...]:
        """The shape of a row of a column that is not ragged."""
        return tuple(size for size in self.shape if size is not None)

    def __str__(self) -> str:
        sizes = [
            "N" if self.rows is None else str(self.rows),
            *("*" if size is None else str(size) for size in self.shape),
        ]
        return f"{self.dtype}[{', '.join(sizes)}]"


class Column(Protocol):
    """One column: its rows can be had in any order."""

    @property
    def info(self) -> ColumnInfo: ...
    @property
    def is_ready(self) -> bool: ...

    def __len__(self) -> int: ...

    def take(self, indices: Array) -> Values:
        """The rows at `indices` (i64 `[n]`)."""
        ...

    def lengths(self) -> Array | None:
        """The length of each row of a ragged column, i64 `[N]`; None if it is unknown before reading."""
        ...

    def place(self, row: int) -> str:
        """The location of a row, for messages: `row 3 of ...`, `line 5 of ...`."""
        ...


@runtime_checkable
class FileColumn(Protocol):
    """A column each of whose rows is a file, as in a folder of pictures."""

    def file(self, row: int) -> str:
        """The path of the file of a row; empty where it has none."""
        ...


class Table(Protocol):
    """The result of a reader: columns, of equal length unless all rows are one example.

    `classes` names the classes of label columns, `vocabulary` the characters of a text, and `notes` are
    sentences about the decisions of the reader. For consecutive rows, such as windows of a text, `overlap` is
    the number of following rows that share elements with a row; None if rows are independent. The columns in
    `ready` are cheap to read completely, and are checked before use; bytes of pictures need no check.
    """

    @property
    def columns(self) -> Mapping[str, ColumnInfo]: ...
    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def vocabulary(self) -> tuple[str, ...] | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def overlap(self) -> int | None: ...
    @property
    def ready(self) -> frozenset[str]: ...

    def __len__(self) -> int: ...

    def take(self, names: Sequence[str], indices: Array) -> dict[str, Values]: ...

    def count(self, name: str) -> int: ...

    def lengths(self, name: str) -> Array | None: ...

    def place(self, name: str, row: int) -> str: ...


def info_of_rows(array: Array, source: str = "", role: Role = "") -> ColumnInfo:
    """What the rows along the first axis of an array are."""
    return ColumnInfo(short_name(array.dtype) or str(array.dtype), array.shape[1:], source, role=role)


@immutable
class ArrayColumn:
    """Rows along the first axis of an array, which may be a memory map."""

    array: Array
    source: str
    role: Role = ""

    @property
    def info(self) -> ColumnInfo:
        return info_of_rows(self.array, self.source, self.role)

    @property
    def is_ready(self) -> bool:
        is_bytes = self.array.dtype == np.uint8 and self.array.ndim > 1
        return self.array.nbytes <= MAX_CHECKED_BYTES and not is_bytes

    def __len__(self) -> int:
        return len(self.array)

    def take(self, indices: Array) -> Array:
        return np.asarray(self.array[indices])

    def lengths(self) -> Array:
        return np.full(len(self), self.array.shape[1], np.int64)

    def place(self, row: int) -> str:
        return f"row {row} of {self.source}"


@immutable
class RaggedColumn:
    """Sequences of different lengths, end to end in `flat`; row n is `flat[offsets[n]:offsets[n + 1]]`.

    `lines` (i64 `[N]`) is each row's line, where they come from a text file.
    """

    flat: Array
    offsets: Array
    source: str
    role: Role = ""
    lines: Array | None = None

    @classmethod
    def of(
        cls, rows: Sequence[Any], dtype: Any, source: str, role: Role = "", lines: Array | None = None
    ) -> RaggedColumn:
        """From n sequences."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        parts = [np.asarray(row, dtype) for row in rows if len(row)]
        flat = np.concatenate(parts) if parts else np.zeros(0, dtype)
        return cls(flat, offsets, source, role, lines)

    @property
    def info(self) -> ColumnInfo:
        dtype = short_name(self.flat.dtype) or str(self.flat.dtype)
        return ColumnInfo(dtype, (None, *self.flat.shape[1:]), self.source, role=self.role)

    @property
    def is_ready(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, indices: Array) -> list[Array]:
        return [self.flat[self.offsets[n] : self.offsets[n + 1]] for n in indices]

    def lengths(self) -> Array:
        result: Array = np.diff(self.offsets)
        return result

    def place(self, row: int) -> str:
        return (
            f"row {row} of {self.source}"
            if self.lines is None
            else f"line {self.lines[row]} of {self.source}"
        )


@immutable
class ColumnTable:
    """A table of columns that are read independently. Make one with `table_of`.

    `where` names the table in messages, and `files` is the number of those whose rows follow one another.
    """

    held: Mapping[str, Column]
    where: str
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vocabulary: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    overlap: int | None = None
    files: int = 1

    @property
    def ready(self) -> frozenset[str]:
        return frozenset(name for name, column in self.held.items() if column.is_ready)

    @property
    def columns(self) -> Mapping[str, ColumnInfo]:
        return {name: column.info for name, column in self.held.items()}

    def __len__(self) -> int:
        return max(map(len, self.held.values()))

    def take(self, names: Sequence[str], indices: Array) -> dict[str, Values]:
        """The rows at `indices` of each column, without those beyond the end of a shorter one."""
        return {name: self.held[name].take(indices[indices < len(self.held[name])]) for name in names}

    def count(self, name: str) -> int:
        """The number of rows of a column."""
        return len(self.held[name])

    def refuse_uneven(self) -> None:
        """Raise `DataInputError` E0854 for columns of different lengths."""
        (first, count), *others = [(name, len(column)) for name, column in self.held.items()]
        for name, other in others:
            if other != count:
                message = f"{self.where} has {count} rows of {shown(first)} and {other} of {shown(name)}"
                raise DataInputError.make("E0854", message, help="every row needs all of them, in one order")

    def lengths(self, name: str) -> Array | None:
        return self.held[name].lengths()

    def place(self, name: str, row: int) -> str:
        return self.held[name].place(row)

    def file(self, row: int) -> str:
        """The file of a row, where each row is a file; empty otherwise."""
        files = (column.file(row) for column in self.held.values() if isinstance(column, FileColumn))
        return next(files, "")


def table_of(
    columns: Mapping[str, Column],
    where: str,
    *,
    classes: Mapping[str, tuple[str, ...]] | None = None,
    vocabulary: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
    overlap: int | None = None,
    files: int = 1,
) -> ColumnTable:
    """A table, checked: raises `DataInputError` E0813 for no rows. `refuse_uneven` compares the lengths."""
    if not columns:
        raise DataInputError.make("E0813", f"{where} holds no data")
    if not any(map(len, columns.values())):
        raise DataInputError.make("E0813", f"{where} holds no rows")
    return ColumnTable(columns, where, classes or {}, vocabulary, notes, overlap, files)


def array_table(arrays: Mapping[str, Array], where: str, source: str = "{name}") -> ColumnTable:
    """A table of arrays; `source` says where one is from. Raises as `table_of`, and E0801 for a number."""
    for name, array in arrays.items():
        if array.ndim == 0:
            message = f"{shown(name)} in {where} is a single number, but data has an axis of rows"
            raise DataInputError.make("E0801", message)
    columns = {name: ArrayColumn(array, source.format(name=shown(name))) for name, array in arrays.items()}
    return table_of(columns, where)
