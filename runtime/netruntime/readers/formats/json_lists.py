"""Numbers from nested JSON lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from netdsl.types import DType, TensorType, tensor
from netruntime.errors import shown
from netruntime.files.arrays import MAX_RANK, Array
from netruntime.files.json_objects import DuplicateKeyError, unique_object
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.table import ColumnTable, array_table


def read_json(text: bytes, where: str, wanted: InputSpec, key: str | None) -> Array:
    """The array in a JSON text: nested lists of equal length, or an object that holds them under `key`.

    Without `key`, an object's entry of the input's name is taken. Raises `DataInputError` E0809, which
    names the element at fault by its path (`[2][0]`).
    """
    return _nested_array(_entry(_parse(text, where, wanted), where, wanted, key), where, wanted)


def read_json_table(path: Path, wanted: Sequence[InputSpec]) -> ColumnTable:
    """The entries of a JSON object as columns, or one list under the file's own name.

    Raises `DataInputError` E0809, and `OSError`.
    """
    where, known = shown(path), {spec.name: spec for spec in wanted}
    value = _parse(path.read_bytes(), where, InputSpec(path.stem, tensor(DType.F32)))
    entries = value if isinstance(value, dict) else {path.stem: value}
    specs = {name: known.get(name) or InputSpec(name, _type_of(entry)) for name, entry in entries.items()}
    arrays = {
        name: _nested_array(entry, f"{shown(name)} in {where}", specs[name])
        for name, entry in entries.items()
    }
    return array_table(arrays, where, "{name} in " + where)


def _parse(text: bytes, where: str, wanted: InputSpec) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=unique_object)
    except DuplicateKeyError as twice:
        raise wanted.refuse("E0809", f"{where} gives {shown(twice)} twice") from twice
    except (ValueError, RecursionError) as wrong:
        reason = "it is nested too deeply" if isinstance(wrong, RecursionError) else str(wrong)
        raise wanted.refuse("E0809", f"{where} is not JSON: {reason}") from wrong


def _type_of(value: Any) -> TensorType:
    """The type of numbers that holds all of a nested list."""
    kinds = set(_kinds(value))
    return tensor(DType.BOOL if kinds == {bool} else DType.F64 if float in kinds else DType.I64)


def _kinds(value: Any) -> Iterator[type]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        else:
            yield type(item)


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
                what = f"{_described(value)}, which is not {_wanted_kind(self.wanted.type.dtype)}"
                self.refuse(path, what, _columns_help(value) if isinstance(value, dict) else None)
            self.flat.append(value)
            return
        if not isinstance(value, list):
            self.refuse(path, f"{_described(value)}, where its neighbours are lists")
        if len(value) != self.shape[depth]:
            first = "[0]" * depth
            self.refuse(path, f"a list of {len(value)}, but {first} is a list of {self.shape[depth]}")
        for n, item in enumerate(value):
            self.visit(item, (*path, n))

    def refuse(self, path: tuple[int, ...], what: str, help: str | None = None) -> NoReturn:
        place = "".join(f"[{n}]" for n in path)
        message = f"{place + ' of ' if place else ''}{self.where} is {what}"
        raise self.wanted.refuse("E0809", message, help=help)


def _columns_help(row: Mapping[str, Any]) -> str:
    """The way out for rows that are objects."""
    columns = ", ".join(f"{shown(json.dumps(key))[1:-1]}: [..]" for key in list(row)[:4])
    more = ", .." if len(row) > 4 else ""
    return f"write one object with a list for each column, {{{columns}{more}}}, or a table as .csv"


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
