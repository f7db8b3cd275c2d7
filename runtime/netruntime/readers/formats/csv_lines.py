"""The lines of a table in text: its separator, its rows, and whether the first of them is names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

_RETURN = "\ue00d"
"""Stands for a carriage return inside a line while it is read: lines end at `\\n` only."""

SEPARATORS = (",", ";", "\t")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def rows_of(stream: TextIO, separator: str) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The separator of a table, and its rows that are not empty, each with the number of its last line.

    `separator` is that of the file's suffix; another is taken where the first two lines have no cells by it,
    and equally many by the other. `stream` splits lines at `\\n`. Raises `csv.Error`.
    """
    first = list(islice(stream, 2))
    separator = _separator([line for line in first if line.strip()], separator)
    return separator, _rows(chain(first, stream), separator)


def _separator(lines: Sequence[str], usual: str) -> str:
    if not lines or len(_cells(lines[0], usual)) > 1:
        return usual
    for other in SEPARATORS:
        counts = {len(_cells(line, other)) for line in lines}
        if other != usual and len(counts) == 1 and counts.pop() > 1:
            return other
    return usual


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.replace("\r", "")], delimiter=separator), [])


def _rows(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(map(_without_returns, lines), delimiter=separator, strict=True)
    for row in reader:
        if row:
            yield reader.line_num, [cell.replace(_RETURN, "\r") for cell in row]


def _without_returns(line: str) -> str:
    """A line whose carriage returns, but for that of `\\r\\n` at its end, are no ends of rows."""
    end = "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
    return line[: len(line) - len(end)].replace("\r", _RETURN) + end


def is_number(cell: str) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True


def number(cell: str) -> float:
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def names_columns(first: Sequence[str], second: Sequence[str] | None) -> bool:
    """Whether the first row of a table is the names of its columns.

    It is if none of its cells is a number; if the numbers are 0, 1, 2, ..., as pandas counts columns; or if
    a cell is a word above a number.
    """
    if not any(map(is_number, first)):
        return True
    if second is None:
        return False
    if len(first) > 1 and list(first) == [str(n) for n in range(len(first))]:
        return True
    return any(not is_number(a) and is_number(b) for a, b in zip(first, second, strict=False))
