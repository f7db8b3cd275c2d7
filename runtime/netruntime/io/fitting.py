"""Data against the type an input declares: shape, element type, and finite values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netdsl.dims import Dim, SizeOverflowError, Symbol
from netdsl.types import DType
from netruntime.io.arrays import Array, CastError, cast_float, cast_int, info_of
from netruntime.io.input_spec import InputSpec


class SizeClashError(ValueError):
    """An axis whose size does not fit; the text says which and why."""


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
    try:
        bind_sizes(wanted.type.shape, array.shape, sizes)
    except SizeClashError as clash:
        message = f"{wanted} is {wanted.type}, and {where} holds {info_of(array)}: {clash}"
        raise wanted.refuse("E0801", message, help=_shape_help(array, wanted)) from clash


def bind_sizes(dims: Sequence[Dim], shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int]:
    """The values of the symbols in `dims` that make them `shape`, beside those in `sizes`.

    A size that several unknown symbols make up is left unchecked. Raises `SizeClashError`.
    """
    if len(dims) != len(shape):
        raise SizeClashError(f"it has {_axes(len(shape))}, not {len(dims)}")
    known = dict(sizes)
    waiting = list(range(len(dims)))
    while waiting:
        left = [axis for axis in waiting if not _bind_axis(axis, dims[axis], shape[axis], known)]
        if left == waiting:
            break
        waiting = left
    return known


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


def _bind_axis(axis: int, dim: Dim, size: int, known: dict[str, int]) -> bool:
    """Whether the axis is settled; learns the symbol's value where just one is unknown."""
    try:
        left = dim.substitute(known)
    except (ZeroDivisionError, SizeOverflowError) as wrong:
        raise SizeClashError(f"axis {axis} is {size}, and `{dim}` has no value") from wrong
    if left.is_fixed:
        if left.value != size:
            raise SizeClashError(_clash(axis, dim, size, left.value))
        return True
    solved = _solve(left, size)
    if solved is None:
        return False
    name, value, rest = solved
    if rest or value < 0:
        raise SizeClashError(f"axis {axis} is {size}, which is not `{dim}` for any whole {name}")
    known[name] = value
    return True


def _clash(axis: int, dim: Dim, size: int, value: int) -> str:
    return f"axis {axis} is {size}, not {value}" + ("" if dim.is_fixed else f" (`{dim}`)")


def _solve(dim: Dim, size: int) -> tuple[str, int, int] | None:
    """The one symbol of `a*n + b == size`, its value and what is left over; None for any other form."""
    names = dim.symbols
    if len(names) != 1:
        return None
    (name,) = names
    constant, factor = 0, 0
    for monomial, coefficient in dim.terms:
        if not monomial:
            constant = coefficient
        elif monomial == (Symbol(name),):
            factor = coefficient
        else:
            return None
    return name, *divmod(size - constant, factor)


def _convert(array: Array, wanted: InputSpec, where: str) -> Array:
    dtype = wanted.type.dtype
    try:
        if dtype.is_float and array.dtype.kind in "fiu":
            return cast_float(array, dtype.value)
        if dtype.is_int and array.dtype.kind in "iu":
            return cast_int(array, dtype.value)
        if dtype is DType.BOOL and array.dtype.kind in "biu":
            return _as_bool(array)
    except CastError as lost:
        raise wanted.refuse("E0804", f"{wanted} is {wanted.type}, and {where} {lost}") from lost
    message = f"{wanted} is {wanted.type}, and {where} holds {info_of(array)}"
    raise wanted.refuse("E0804", message, help=_dtype_help(array, dtype))


def _as_bool(array: Array) -> Array:
    if array.dtype.kind != "b" and array.size and not np.isin(array, (0, 1)).all():
        raise CastError(f"holds {array.min()} to {array.max()}, and bool is 0 or 1")
    return array.astype(np.bool_, copy=False)


def _dtype_help(array: Array, dtype: DType) -> str:
    if array.dtype.kind == "f":
        return f"round the numbers first: array.round().astype({dtype.numpy_name!r})"
    return f"save the array as {dtype.numpy_name}"


def _shape_help(array: Array, wanted: InputSpec) -> str | None:
    rank = wanted.type.rank
    if array.ndim == rank - 1 and wanted.type.shape and not wanted.type.shape[0].is_fixed:
        return f"one item needs an axis for `{wanted.type.shape[0]}`: array[None]"
    if array.ndim == 4 == rank and array.shape[-1] in (1, 3) and wanted.type.shape[1] == array.shape[-1]:
        return "the channels come last in the data and first in the model: array.transpose(0, 3, 1, 2)"
    return None


def _axes(count: int) -> str:
    return "no axes" if not count else "1 axis" if count == 1 else f"{count} axes"
