"""Data against the type an input declares: shape, element type, and finite values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netruntime.files.arrays import Array, CastError, cast, info_of
from netruntime.readers.input_spec import InputSpec
from netruntime.sizes import SizeClashError, bind_sizes


def fit_to_input(
    array: Array, wanted: InputSpec, where: str, sizes: Mapping[str, int], allow_nonfinite: bool
) -> Array:
    """`array` as the input's element type, after its shape and values are checked.

    `where` is the file's name, or other words that say where the data is from. Raises `DataInputError`:
    E0801 for a shape, E0804 for an element type, E0805 for NaN or infinity.
    """
    check_shape(array, wanted, where, sizes)
    result = _convert(array, wanted, where)
    if not allow_nonfinite and wanted.type.dtype.is_float:
        check_finite(result, wanted, where)
    return result


def check_shape(array: Array, wanted: InputSpec, where: str, sizes: Mapping[str, int]) -> None:
    """Raises `DataInputError` E0801, with both shapes, where the array's does not fit."""
    message = f"{wanted} is {wanted.type}, and {where} holds {info_of(array)}"
    if array.ndim != wanted.type.rank:
        message += f": it has {_axes(array.ndim)}, not {wanted.type.rank}"
        raise wanted.refuse("E0801", message, help=_shape_help(array, wanted))
    try:
        bind_sizes(wanted.type.shape, array.shape, sizes)
    except SizeClashError as clash:
        raise wanted.refuse("E0801", f"{message}: {clash}", help=_shape_help(array, wanted)) from clash


def check_finite(array: Array, wanted: InputSpec, where: str) -> None:
    """Raises `DataInputError` E0805, with the first place, where the array holds NaN or infinity."""
    finite = np.isfinite(array)
    if finite.all():
        return
    bad = ~finite
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
    place = f" at {list(first)}" if first else ""
    raise wanted.refuse(
        "E0805",
        f"{where} holds {int(bad.sum())} values that are not finite; the first is {array[first]}{place}",
        help="clean the data, or allow such values",
    )


def _convert(array: Array, wanted: InputSpec, where: str) -> Array:
    try:
        return cast(array, wanted.type.dtype)
    except CastError as lost:
        message = f"{wanted} is {wanted.type}, and {where} {lost}"
        raise wanted.refuse("E0804", message, help=lost.help) from lost


def _shape_help(array: Array, wanted: InputSpec) -> str | None:
    rank = wanted.type.rank
    if array.ndim == rank - 1 and wanted.type.shape and not wanted.type.shape[0].is_fixed:
        return f"one item needs an axis for `{wanted.type.shape[0]}`: array[None]"
    if array.ndim == 4 == rank and array.shape[-1] in (1, 3) and wanted.type.shape[1] == array.shape[-1]:
        return "the channels come last in the data and first in the model: array.transpose(0, 3, 1, 2)"
    return None


def _axes(count: int) -> str:
    return "no axes" if not count else "1 axis" if count == 1 else f"{count} axes"
