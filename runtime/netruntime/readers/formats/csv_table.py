"""`.csv` files, and `.tsv` ones with tabs: one column of numbers or words for each name in the first row."""

from __future__ import annotations

import csv
from array import array as packed_array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.formats.csv_lines import NAMES, is_number, names_columns, number, rows_of
from netruntime.readers.formats.words import LineColumn, word_column
from netruntime.readers.options import DataOptions
from netruntime.readers.table import Column, ColumnTable, table_of

_NOT_WHOLE = frozenset(".eEnN")

EXACT_DIGITS = 15
"""Longer integers are not all held by the f64 that cells are read as."""


def read_csv_table(path: Path, options: DataOptions) -> ColumnTable:
    """The columns of a table, i64 or f64; columns of words as `tables.word_column` says.

    The first row names the columns where `names_columns` says so; else they are `0`, `1`, ... A column
    is of numbers where its first cell is one. Raises `DataInputError`: E0808 for rows of different lengths,
    what is not a table and a cell that is not a number, E0813 for no rows; and `OSError`.
    """
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(newline="\n", encoding="utf-8-sig") as stream:
        content, line = _Content(path), 0
        try:
            separator, rows = rows_of(stream, usual)
            if separator != usual:
                content.notes.append(f"{shown(path)} is read as separated by {NAMES[separator]}")
            for line, row in rows:
                content.add(line, row)
        except csv.Error as wrong:
            message = f"line {line + 1} of {shown(path)} cannot be read: {wrong}"
            raise DataInputError.make("E0808", message) from wrong
        except UnicodeDecodeError as wrong:
            message = f"{shown(path)} is not UTF-8 text: {wrong.reason}"
            raise DataInputError.make("E0808", message) from wrong
    return content.table(options)


@dataclass
class _Content:
    """What has been read: numbers row by row, words column by column."""

    path: Path
    names: list[str] = field(default_factory=list)
    is_number: list[bool] = field(default_factory=list)
    is_whole: Array = field(default_factory=lambda: np.zeros(0, np.bool_))
    numbers: packed_array[float] = field(default_factory=lambda: packed_array("d"))
    words: dict[int, list[str]] = field(default_factory=dict)
    exact: dict[tuple[int, int], int] = field(default_factory=dict)
    lines: packed_array[int] = field(default_factory=lambda: packed_array("q"))
    first: tuple[int, Sequence[str]] | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, line: int, row: Sequence[str]) -> None:
        if self.first is None:
            self.first = line, row
            return
        if not self.names:
            self._begin(row)
        self._add(line, row)

    def _add(self, line: int, row: Sequence[str]) -> None:
        if len(row) != len(self.names):
            message = (
                f"line {line} of {shown(self.path)} has {len(row)} cells, but the first has {len(self.names)}"
            )
            raise DataInputError.make("E0808", message, help="quote a cell that holds the separator")
        if not self.is_number:
            self._sort(row)
        cells: Sequence[str] = row
        if self.words:
            cells = [cell for cell, is_number in zip(row, self.is_number, strict=True) if is_number]
        text = "".join(cells)
        try:
            self.numbers.extend(map(number if "_" in text else float, cells))
        except ValueError as wrong:
            raise self._bad_cell(line, row) from wrong
        if not _is_whole(text):
            self.is_whole &= np.fromiter(map(_is_whole, cells), np.bool_, len(cells))
        if self.is_whole.any() and len(max(cells, key=len)) > EXACT_DIGITS:
            self._keep_exactly(cells)
        for column, kept in self.words.items():
            kept.append(row[column])
        self.lines.append(line)

    def table(self, options: DataOptions) -> ColumnTable:
        if self.first is not None and not self.names:
            self._begin(None)
        if not self.lines:
            raise DataInputError.make("E0813", f"{shown(self.path)} holds no rows")
        columns: dict[str, Column] = {}
        classes: dict[str, tuple[str, ...]] = {}
        lines = np.array(self.lines)
        values = np.array(self.numbers).reshape(len(lines), -1)
        where = iter(range(values.shape[1]))
        for n, name in enumerate(self.names):
            source = f"{shown(self.path)}, column {shown(name)}"
            if self.is_number[n]:
                columns[name] = LineColumn(self._numbers(values, next(where)), source, "", lines)
            else:
                self._check_words(n)
                place = _LinePlace(lines, source)
                columns[name], names = word_column(name, self.words[n], source, place, options)
                classes |= {name: names} if names else {}
        if len(columns) > 1 and columns.pop("", None) is not None:
            self.notes.append(f"the column of {shown(self.path)} that has no name is left out")
        return table_of(columns, shown(self.path), classes=classes, notes=tuple(self.notes))

    def _check_words(self, column: int) -> None:
        """Raises `DataInputError` E0808 for a column of numbers that begins with a word or nothing."""
        words = self.words[column]
        numbers = sum(map(is_number, words))
        if numbers * 2 > len(words) or (numbers and not words[0].strip()):
            row = ["0"] * len(self.names)
            row[column] = words[0]
            self.is_number[column] = True
            raise self._bad_cell(self.lines[0], row)

    def _keep_exactly(self, cells: Sequence[str]) -> None:
        """Remember the integers of a row that are too long for the f64 that cells are read as."""
        for column in np.flatnonzero(self.is_whole).tolist():
            if len(cells[column]) > EXACT_DIGITS:
                self.exact[len(self.lines), column] = int(cells[column])

    def _numbers(self, values: Array, column: int) -> Array:
        numbers = values[:, column]
        if not self.is_whole[column]:
            is_exact = np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.rint(numbers))
            return numbers.astype(np.int64) if is_exact.all() else numbers
        exact = {row: number for (row, place), number in self.exact.items() if place == column}
        if not all(-(2**63) <= number < 2**63 for number in exact.values()):
            return numbers
        numbers = np.where(np.isin(np.arange(len(numbers)), list(exact)), 0, numbers).astype(np.int64)
        numbers[list(exact)] = list(exact.values())
        return numbers

    def _begin(self, second: Sequence[str] | None) -> None:
        """Take the first row as names, or as the first row of data; `second` is the row after it."""
        assert self.first is not None
        line, row = self.first
        if not names_columns(row, second):
            self.names = [str(n) for n in range(len(row))]
            self.notes.append(
                f"line {line} of {shown(self.path)} is read as data, and its columns have no names"
            )
            self._add(line, row)
            return
        self.names = [cell.strip() for cell in row]
        if any(map(is_number, row)):
            self.notes.append(f"line {line} of {shown(self.path)} is read as the names of its columns")
        twice = next((name for name, count in Counter(self.names).items() if count > 1), None)
        if twice is not None:
            message = f"line {line} of {shown(self.path)} names two columns {shown(twice)}"
            raise DataInputError.make("E0808", message)

    def _sort(self, row: Sequence[str]) -> None:
        self.is_number = list(map(is_number, row))
        self.is_whole = np.ones(sum(self.is_number), np.bool_)
        self.words = {n: [] for n, is_number in enumerate(self.is_number) if not is_number}

    def _bad_cell(self, line: int, row: Sequence[str]) -> DataInputError:
        column = next(n for n, cell in enumerate(row) if self.is_number[n] and not is_number(cell))
        cell = shown(row[column]) if row[column] else "empty"
        message = (
            f"line {line}, column {column + 1} ({shown(self.names[column])}) of {shown(self.path)} is {cell}"
        )
        help = "its other cells are numbers; fill it, or leave the row out"
        if row[column].count(",") == 1 and is_number(row[column].replace(",", ".")):
            help = f"write a decimal point: {row[column].replace(',', '.')}"
        return DataInputError.make("E0808", f"{message}, which is not a number", help=help)


@immutable
class _LinePlace:
    lines: Array
    source: str

    def __call__(self, row: int) -> str:
        return f"line {self.lines[row]} of {self.source}"


def _is_whole(cell: str) -> bool:
    return _NOT_WHOLE.isdisjoint(cell)
