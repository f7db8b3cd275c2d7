"""Arguments of the public Python functions: what each must be, checked before anything is done with it."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import numpy as np

from netdsl.diagnostics import with_article
from netruntime.errors import ArgumentError

MAX_SEED = 2**32 - 1
"""The largest seed, as on the command line."""


def check_seed(value: Any, name: str = "seed") -> int:
    """The seed as an int. Raises `NetError` E0870 for anything but an integer from 0 to `MAX_SEED`."""
    return check_count(value, name, 0, MAX_SEED)


def check_count(value: Any, name: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    """An integer of Python or NumPy as an int. Raises `NetError` E0870 for others, and outside the range."""
    try:
        number = None if isinstance(value, (bool, np.ndarray)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        limits = f" from {low} to {high}" if high < 2**63 - 1 else f" from {low} on" if low >= 0 else ""
        _refuse(name, value, f"an integer{limits}")
    return number


def check_counts_of(**values: Any) -> list[int]:
    """Integers by the names of their arguments. Raises `NetError` E0870 for others."""
    return [check_count(value, name) for name, value in values.items()]


def check_number(value: Any, name: str) -> float:
    """A real number, or NaN, as a float. Raises `NetError` E0870 for others."""
    try:
        if not isinstance(value, (str, bytes, bool)) and not np.ndim(value):
            return float(value)
    except Exception:  # whatever the `__array__` or `__float__` of another library raises
        pass
    _refuse(name, value, "a number")


def check_text(value: Any, name: str) -> None:
    """Raise `NetError` E0870 unless the value is a string."""
    if not isinstance(value, str):
        _refuse(name, value, "a string")


def check_names(**names: Any) -> None:
    """Raise `NetError` E0870 for an argument that is neither a string nor None."""
    for name, value in names.items():
        if value is not None:
            check_text(value, name)


def check_path(value: Any, name: str) -> None:
    """Raise `NetError` E0870 unless the value is a path: a string that is not empty, or a path object."""
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        help = _SOURCES if name == "source" else _ARGUMENTS
        _refuse(name, value, "a path, a string that is not empty", help)
    if not isinstance(os.fspath(value), str):
        _refuse(name, value, "a path of characters, not of bytes")


def check_output_path(value: Any, name: str) -> None:
    """Raise `NetError` E0870 unless the value is a path that a file system can hold."""
    check_path(value, name)
    try:
        fits = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        fits = False
    if not fits:
        _refuse(name, value, "a path without null bytes and lone surrogates")


def check_mapping(value: Any, name: str, *, any_keys: bool = False) -> None:
    """Raise `NetError` E0870 unless the value is a mapping, with strings as keys but for `any_keys`."""
    if not isinstance(value, Mapping) or not (any_keys or all(isinstance(key, str) for key in value)):
        _refuse(name, value, "a mapping with strings as keys")


def check_instance(value: Any, name: str, kinds: tuple[type, ...], wanted: str) -> None:
    """Raise `NetError` E0870 unless the value is of one of these kinds; `wanted` says what makes them."""
    if not isinstance(value, kinds):
        _refuse(name, value, wanted)


def check_flag(value: Any, name: str) -> None:
    """Raise `NetError` E0870 unless the value is true or false."""
    if not isinstance(value, (bool, np.bool_)):
        _refuse(name, value, "True or False")


def check_callables(**values: Any) -> None:
    """Raise `NetError` E0870 for an argument that cannot be called."""
    for name, value in values.items():
        if not callable(value):
            _refuse(name, value, "a function")


def check_texts(value: Any, name: str) -> None:
    """Raise `NetError` E0870 unless the value is a string or a collection of strings."""
    is_list = isinstance(value, Collection) and not isinstance(value, np.ndarray)
    if not is_list or not all(isinstance(entry, str) for entry in value):
        _refuse(name, value, "a string or a list of strings")


_ARGUMENTS = "Python's `help(..)` of the function lists its arguments"
_SOURCES = (
    "give the path of a `.net` file, its text, or the folder of a run; a network that is loaded already "
    "is called, as in `network(x=..)`, or given to `predict`"
)


def _refuse(name: str, value: Any, wanted: str, help: str = _ARGUMENTS) -> NoReturn:
    text = repr(value) if isinstance(value, (str, int, float)) and abs(_size(value)) < 10**40 else ""
    kind = type(value).__name__
    shown = (
        f"{text[:60]} ({kind})" if text and not isinstance(value, str) else text[:60] or with_article(kind)
    )
    raise ArgumentError.make(
        "E0870",
        f"`{name}` must be {wanted}, but is {shown}",
        help=help,
    )


def _size(value: Any) -> Any:
    return 0 if isinstance(value, str) or value != value else value
