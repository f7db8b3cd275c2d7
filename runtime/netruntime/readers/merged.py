"""Several sources as one table: concatenated rows, and columns from different files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from netdsl.diagnostics import suggest
from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.options import DataOptions
from netruntime.readers.table import Column, ColumnInfo, ColumnTable, FileColumn, Values, table_of

_MEMBER = r"{}[._\[]?\d+\]?"


def members_of(name: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns `x0`, `x1`, ... (or `x_0`, `x.0`, `x[0]`) of a vector `x`, in this order."""
    found = [column for column in columns if re.fullmatch(_MEMBER.format(re.escape(name)), column)]
    return tuple(sorted(found, key=_number_of))


def trained_columns(
    name: str, columns: Iterable[str], options: DataOptions, where: str
) -> tuple[str, ...] | None:
    """The columns that an input was made from in training, whatever their order here; None if not known.

    They are also None where the data has a column of the input's own name, or none of them at all: then it
    is of another kind. Raises `DataInputError` E0830 where only some are missing.
    """
    trained, here = options.columns.get(name, ()), list(columns)
    if not trained or trained == (name,) or (name in here and name not in trained):
        return None
    missing = [column for column in trained if column not in here]
    if not missing:
        return trained
    if len(missing) == len(trained) or _are_numbers(trained) != _are_numbers(here):
        return None
    listed = ", ".join(map(shown, trained[:8])) + (
        f" and {len(trained) - 8} more" if len(trained) > 8 else ""
    )
    message = f"{where} has no column {shown(missing[0])}; in training, {shown(name)} was made from {listed}"
    help = suggest(missing[0], here) or "add the column, or rename the one that holds it"
    raise DataInputError.make("E0830", message, help=help)


def _are_numbers(columns: Iterable[str]) -> bool:
    """Whether columns are only counted, as in a table without a row of names."""
    return all(column.isdecimal() for column in columns)


def joined_info(columns: Sequence[str], infos: Mapping[str, ColumnInfo]) -> ColumnInfo:
    """What several columns of numbers hold side by side; one column as it is."""
    if len(columns) == 1:
        return infos[columns[0]]
    parts = [infos[name] for name in columns]
    dtype = parts[0].dtype if len({part.dtype for part in parts}) == 1 else "f64"
    source = f"the columns {shown(columns[0])} to {shown(columns[-1])}"
    return ColumnInfo(dtype, (len(columns),), source)


def side_by_side(parts: Mapping[str, tuple[ColumnTable, str | None]]) -> ColumnTable:
    """One table whose column `name` is that of a table: the one named, the only one, or the one called
    `name`.

    Raises `DataInputError` E0830 where there is no such column.
    """
    columns: dict[str, Column] = {}
    classes: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name, (table, key) in parts.items():
        chosen = key or (next(iter(table.held)) if len(table.held) == 1 else name)
        if chosen not in table.held:
            held = ", ".join(map(shown, list(table.held)[:8]))
            message = f"what is given for {shown(name)} has no column {shown(chosen)}; it has {held}"
            raise DataInputError.make(
                "E0830", message, help=f"say which: {name}=FILE:{next(iter(table.held))}"
            )
        columns[name] = table.held[chosen]
        classes |= {name: table.classes[chosen]} if chosen in table.classes else {}
        notes += table.notes
    return table_of(columns, "the data", classes=classes, notes=tuple(dict.fromkeys(notes)))


def end_to_end(tables: Sequence[ColumnTable], where: str) -> ColumnTable:
    """The rows of several tables with the same columns, in this order.

    Raises `DataInputError` E0839 where a table has other columns, or other classes, than the first.
    """
    first, *others = tables
    for table in others:
        if table.columns.keys() != first.columns.keys():
            names = [", ".join(map(shown, t.columns)) for t in (first, table)]
            message = f"the files of {where} do not go together: one has {names[0]}, another {names[1]}"
            raise DataInputError.make("E0839", message, help="files given together need the same columns")
        if table.classes != first.classes:
            message = f"the files of {where} name different classes"
            help = "give `class_names`, which fixes the number of each"
            raise DataInputError.make("E0839", message, help=help)
    columns = {name: _joined(name, [table.held[name] for table in tables]) for name in first.held}
    return table_of(columns, where, classes=first.classes, notes=first.notes, files=len(tables))


def by_name(
    tables: Sequence[ColumnTable], wanted: Collection[str], options: DataOptions
) -> ColumnTable | None:
    """One table of files that hold different columns, each of a `wanted` input or a label; else None."""
    names = [name for table in tables for name in table.held]
    known = all(name in wanted or options.is_label(name) for name in names)
    if len(set(names)) < len(names) or not known:
        return None
    return side_by_side({name: (table, name) for table in tables for name in table.held})


def _joined(name: str, parts: Sequence[Column]) -> Column:
    infos = [part.info for part in parts]
    for info in infos[1:]:
        if (info.shape, info.dtype) != (infos[0].shape, infos[0].dtype):
            message = f"{info.source} holds {info}, but {infos[0].source} {infos[0]}"
            raise DataInputError.make("E0839", message, help="files given together need columns of one type")
    return _JoinedColumn(tuple(parts))


@immutable
class _JoinedColumn:
    parts: tuple[Column, ...]

    @cached_property
    def starts(self) -> Array:
        return np.cumsum([0, *map(len, self.parts)])

    @property
    def info(self) -> ColumnInfo:
        return self.parts[0].info

    @property
    def is_ready(self) -> bool:
        return all(part.is_ready for part in self.parts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, indices: Array) -> Values:
        which = np.searchsorted(self.starts, indices, side="right") - 1
        rows: list[Array] = [np.empty(0)] * len(indices)
        for n in np.unique(which):
            places = np.flatnonzero(which == n)
            for place, row in zip(places, self.parts[n].take(indices[places] - self.starts[n]), strict=True):
                rows[place] = row
        return rows if self.info.is_ragged or not rows else np.stack(rows)

    def lengths(self) -> Array | None:
        found = [part.lengths() for part in self.parts]
        return (
            np.concatenate([f for f in found if f is not None]) if all(f is not None for f in found) else None
        )

    def place(self, row: int) -> str:
        n, row = self._part(row)
        return self.parts[n].place(row)

    def file(self, row: int) -> str:
        """The file of a row, where each row is a file."""
        n, row = self._part(row)
        part = self.parts[n]
        return part.file(row) if isinstance(part, FileColumn) else ""

    def _part(self, row: int) -> tuple[int, int]:
        """Which part a row is in, and where there."""
        n = int(np.searchsorted(self.starts, row, side="right")) - 1
        return n, row - int(self.starts[n])


def _number_of(column: str) -> int:
    """The number in `x12` or `x[12]`."""
    return int(re.findall(r"\d+", column)[-1])
