"""Numbers from text: CSV rows and nested JSON lists."""

from __future__ import annotations

import csv
import json
import math
from array import array as packed_array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np

from netdsl.types import DType
from netruntime.errors import shown
from netruntime.files.arrays import MAX_RANK, Array
from netruntime.files.json_objects import DuplicateKeyError, unique_object
from netruntime.readers.input_spec import InputSpec


def read_csv(path: Path, wanted: InputSpec) -> Array:
    """The numbers of a `.csv` (or tab-separated `.tsv`) file, shaped for the input.

    The first row may be a header, which it is when none of its cells is a number. Each row is one item:
    its columns take the input's trailing shape where that has as many elements; a single row or column
    serves an input of one axis. Raises `DataInputError` E0808 for what is not a table of numbers, and
    `OSError`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = _read_rows(path, stream, wanted)
    except UnicodeDecodeError as wrong:
        raise wanted.refuse("E0808", f"{shown(path)} is not UTF-8 text: {wrong.reason}") from wrong
    return _shape_rows(table, wanted)


def read_json(text: bytes, where: str, wanted: InputSpec, key: str | None) -> Array:
    """The array in a JSON text: nested lists of equal length, or an object that holds them under `key`.

    Without `key`, an object's entry of the input's name is taken. Raises `DataInputError` E0809, which
    names the element at fault by its path (`[2][0]`).
    """
    try:
        value = json.loads(text.decode("utf-8-sig"), object_pairs_hook=unique_object)
    except DuplicateKeyError as twice:
        raise wanted.refuse("E0809", f"{where} gives {shown(twice)} twice") from twice
    except (ValueError, RecursionError) as wrong:
        reason = "it is nested too deeply" if isinstance(wrong, RecursionError) else str(wrong)
        raise wanted.refuse("E0809", f"{where} is not JSON: {reason}") from wrong
    return _nested_array(_entry(value, where, wanted, key), where, wanted)


# -- CSV -------------------------------------------------------------------------------------------


def _read_rows(path: Path, stream: TextIO, wanted: InputSpec) -> Array:
    number: Callable[[str], float] = float if wanted.type.dtype.is_float else int
    cells: packed_array[float] = packed_array("d" if number is float else "q")
    width = 0
    for line, row in _rows(path, stream, wanted):
        if not width:
            width = len(row)
            if not any(_is_number(cell) for cell in row):
                continue
        if len(row) != width:
            message = f"row {line} of {shown(path)} has {len(row)} columns, and the first has {width}"
            raise wanted.refuse("E0808", message)
        try:
            cells.extend(map(number, row))
        except (ValueError, OverflowError):
            _bad_cell(path, line, row, number, wanted)
        if "_" in "".join(row):
            _bad_cell(path, line, row, number, wanted)
    if not cells:
        raise wanted.refuse("E0808", f"{shown(path)} holds no rows of numbers")
    return np.array(cells).reshape(-1, width)


def _rows(path: Path, stream: TextIO, wanted: InputSpec) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line."""
    reader = csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as wrong:
        message = f"row {reader.line_num} of {shown(path)} cannot be read: {wrong}"
        raise wanted.refuse("E0808", message) from wrong


def _bad_cell(
    path: Path, line: int, row: Sequence[str], number: Callable[[str], float], wanted: InputSpec
) -> NoReturn:
    kind = "a number" if number is float else "an integer of 64 bits"
    for column, cell in enumerate(row, 1):
        try:
            value = number(cell)
            wrong = "_" in cell or (number is int and not -(2**63) <= value < 2**63)
        except ValueError:
            wrong = True
        if wrong:
            message = f"row {line}, column {column} of {shown(path)} is {shown(cell)}, which is not {kind}"
            raise wanted.refuse("E0808", message)
    raise AssertionError("no cell of the row is at fault")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _shape_rows(table: Array, wanted: InputSpec) -> Array:
    dims = wanted.type.shape
    if len(dims) == 1 and 1 in table.shape:
        return table.reshape(-1)
    trailing = dims[1:]
    if len(dims) > 2 and all(dim.is_fixed for dim in trailing):
        item = tuple(dim.value for dim in trailing)
        if math.prod(item) == table.shape[1]:
            return table.reshape(-1, *item)
    return table


# -- JSON ------------------------------------------------------------------------------------------


def _entry(value: Any, where: str, wanted: InputSpec, key: str | None) -> Any:
    if not isinstance(value, dict):
        if key is not None:
            raise wanted.refuse("E0809", f"{where} is not an object, so it has no {shown(key)}")
        return value
    name = wanted.name if key is None else key
    if name not in value:
        held = ", ".join(shown(k) for k in list(value)[:8]) or "nothing"
        raise wanted.refuse("E0809", f"{where} has no entry {shown(name)}; it has {held}")
    return value[name]


def _nested_array(value: Any, where: str, wanted: InputSpec) -> Array:
    shape = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    if len(shape) > MAX_RANK:
        raise wanted.refuse("E0809", f"{where} is nested {len(shape)} deep, and arrays have {MAX_RANK} axes")
    flat: list[Any] = []
    _Walk(shape, where, wanted, flat).visit(value, ())
    return np.array(flat, np.float64 if wanted.type.dtype.is_float else np.int64).reshape(shape)


class _Walk:
    """Collects the numbers of nested lists and refuses the first that is out of shape."""

    def __init__(self, shape: Sequence[int], where: str, wanted: InputSpec, flat: list[Any]) -> None:
        self.shape, self.where, self.wanted, self.flat = shape, where, wanted, flat
        self.is_number = _number_test(wanted.type.dtype)

    def visit(self, value: Any, path: tuple[int, ...]) -> None:
        depth = len(path)
        if depth == len(self.shape):
            if not self.is_number(value):
                self.refuse(path, f"{_described(value)}, which is not {_wanted_kind(self.wanted.type.dtype)}")
            self.flat.append(value)
            return
        if not isinstance(value, list):
            self.refuse(path, f"{_described(value)}, where its neighbours are lists")
        if len(value) != self.shape[depth]:
            first = "[0]" * depth
            self.refuse(path, f"a list of {len(value)}, and {first} is a list of {self.shape[depth]}")
        for n, item in enumerate(value):
            self.visit(item, (*path, n))

    def refuse(self, path: tuple[int, ...], what: str) -> NoReturn:
        place = "".join(f"[{n}]" for n in path)
        message = f"{place + ' of ' if place else ''}{self.where} is {what}"
        raise self.wanted.refuse("E0809", message)


def _number_test(dtype: DType) -> Callable[[Any], bool]:
    if dtype is DType.BOOL:
        return lambda value: isinstance(value, bool) or (type(value) is int and value in (0, 1))
    if dtype.is_int:
        return lambda value: type(value) is int and -(2**63) <= value < 2**63
    return lambda value: type(value) is float or (type(value) is int and abs(value) < 2**1023)


def _wanted_kind(dtype: DType) -> str:
    if dtype is DType.BOOL:
        return "true or false"
    return "an integer of 64 bits" if dtype.is_int else "a number"


def _described(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else shown(json.dumps(value))
