"""Helpers that shape rules share: axes, broadcasting, and agreement of types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite

from netdsl.dims import Apply, Dim, DimLike, dim
from netdsl.ops.contract.assuming import AT_LEAST, DIVIDES, EQUAL, assume
from netdsl.ops.contract.base import LeftContext, Op, OpError, Sizes, TypeMismatch
from netdsl.ops.contract.time import AxisMap, InputTypes, TimeAxis, UnsupportedError
from netdsl.types import DType, TensorType, shape_text

LIMITS: dict[DType, tuple[float, float]] = {
    DType.F16: (-65504.0, 65504.0),
    DType.BF16: (-3.3895313892515355e38, 3.3895313892515355e38),
    DType.F32: (-3.4028234663852886e38, 3.4028234663852886e38),
    DType.F64: (-1.7976931348623157e308, 1.7976931348623157e308),
    DType.I8: (-(2**7), 2**7 - 1),
    DType.U8: (0, 2**8 - 1),
    DType.I32: (-(2**31), 2**31 - 1),
    DType.I64: (-(2**63), 2**63 - 1),
}
"""The smallest and the largest number of each element type; for floats, of the finite ones."""
MAX_STEP = 2**31 - 1
"""The largest stride, dilation or padding: no axis is longer, and kernels compute positions in 64 bits."""


MOST_AXES = 64
"""As many as any tensor has, of which an error can quote all."""


def normal_axis(axis: int, rank: int, *, at: str = "x", attribute: str = "axis") -> int:
    """`axis` counted from the front. Raises `OpError` if `rank` has no such axis."""
    if not -rank <= axis < rank:
        has = "no axes" if rank == 0 else f"{rank} axes, so {-rank} to {rank - 1}"
        raise OpError(f"got axis {axis}, but `{at}` has {has}", at=[at], attribute=attribute)
    return axis % rank


def normal_axes(axes: Sequence[int], rank: int, *, at: str = "x", attribute: str = "over") -> tuple[int, ...]:
    """`axes` counted from the front, in order; all of them for an empty list. An axis may occur only once."""
    if len(axes) > max(rank, MOST_AXES):
        raise OpError(f"got {len(axes):,} axes, but `{at}` has {rank}", at=[at], attribute=attribute)
    ordered = sorted(normal_axis(axis, rank, at=at, attribute=attribute) for axis in axes)
    if len(set(ordered)) != len(ordered):
        raise OpError(f"got an axis twice in {list(axes)}", at=[at], attribute=attribute)
    return tuple(ordered) or tuple(range(rank))


def spread(values: Sequence[int], rank: int, attribute: str, *, least: int = 1) -> tuple[int, ...]:
    """One value per spatial axis, from one value for all or one for each.

    Raises `OpError` for a different count, a value below `least`, and one above any axis.
    """
    if len(values) not in (1, rank):
        raise OpError(
            f"got {len(values)} values for `{attribute}`, but there are {rank} spatial axes",
            attribute=attribute,
            help=f"use one value for all axes, or {rank}",
        )
    if any(value < least for value in values):
        raise OpError(f"needs `{attribute}` of at least {least}, but got {min(values)}", attribute=attribute)
    check_steps(values, attribute)
    return tuple(values) * rank if len(values) == 1 else tuple(values)


def check_steps(values: Sequence[int], attribute: str) -> None:
    """Raise `OpError` for a number of elements that is larger than any axis."""
    if max(values, default=0) > MAX_STEP:
        raise OpError(
            f"needs `{attribute}` of at most {MAX_STEP:,}, but got {max(values)}", attribute=attribute
        )


def broadcast(left: TensorType, right: TensorType, names: tuple[str, str] = ("a", "b")) -> tuple[Dim, ...]:
    """The shape of two operands after broadcasting: sizes agree from the last axis, or are 1."""
    shape: list[Dim] = []
    for back in range(1, max(left.rank, right.rank) + 1):
        a = left.shape[-back] if back <= left.rank else None
        b = right.shape[-back] if back <= right.rank else None
        if a is None or b is None:
            shape.append(b if a is None else a)  # type: ignore[arg-type]
        elif a == b or b == 1:
            shape.append(a)
        elif a == 1:
            shape.append(b)
        else:
            raise OpError(
                f"cannot combine {shape_text(left.shape)} with {shape_text(right.shape)}: "
                f"axis {-back} is {a} on the left and {b} on the right",
                at=[(names[0], left.rank - back), (names[1], right.rank - back)],
                help="sizes must agree from the last axis backwards, or be 1",
            )
    return tuple(reversed(shape))


def same_dtype(left: TensorType, right: TensorType, names: tuple[str, str] = ("a", "b")) -> None:
    """Raise `OpError` if two operands have different element types."""
    if left.dtype is not right.dtype:
        raise TypeMismatch(
            f"needs one element type, but got {left.dtype} and {right.dtype}",
            at=list(names),
            help=f"convert one side: `cast({right.dtype})` or `cast({left.dtype})`",
        )


def need_float(x: TensorType, name: str = "x") -> None:
    if not x.dtype.is_float:
        raise TypeMismatch(
            f"needs floating-point input, but `{name}` is {x}",
            at=[name],
            help="convert it first: `cast(f32)`",
        )


def need_number(x: TensorType, name: str = "x") -> None:
    if not x.dtype.is_number:
        raise TypeMismatch(
            f"needs numbers, but `{name}` is {x}", at=[name], help="convert it first: `cast(f32)`"
        )


def need_int(x: TensorType, name: str = "x") -> None:
    if not x.dtype.is_int:
        raise TypeMismatch(
            f"needs integers, but `{name}` is {x}", at=[name], help="convert it first: `cast(i64)`"
        )


def need_bool(x: TensorType, name: str = "x") -> None:
    if x.dtype.value != "bool":
        raise TypeMismatch(
            f"needs true or false values, but `{name}` is {x}",
            at=[name],
            help="compare first, or `cast(bool)`",
        )


def need_mask(x: TensorType, where: TensorType, names: tuple[str, str] = ("x", "where")) -> None:
    """Raise `OpError` if `where` is not a keep-mask that broadcasts to `x`."""
    need_bool(where, names[1])
    if broadcast(x, where, names) != x.shape:
        message = f"needs `{names[1]}` to broadcast to `{names[0]}`, which is {x}, but it is {where}"
        raise OpError(
            message,
            at=list(names),
            help=f"each axis of a mask must have size 1 or the size of that axis of `{names[0]}`",
        )


def need_rank(x: TensorType, least: int, name: str = "x", *, layout: str | None = None) -> None:
    """Raise `OpError` if `x` has fewer than `least` axes; `layout` says what they would mean."""
    if x.rank < least:
        wanted = f" {layout}" if layout else f" at least {least} axes"
        raise OpError(f"needs{wanted}, but `{name}` is {x}", at=[name])


def sizes(*values: DimLike) -> Sizes:
    """Shorthand for an attribute of sizes: `sizes(2, 3)`."""
    return tuple(map(dim, values))


def could_equal(a: DimLike, b: DimLike) -> bool:
    """Whether two sizes are equal, or equality is known only at run time, because of a `//`, `min` or `max`.

    In the second case it is noted as a condition. Different symbols never count as equal: `[B, C]` and
    `[C, B]` are different shapes.
    """
    difference = dim(a) - b
    if difference == 0:
        return True
    could = _depends_on_rounding(difference)
    if could:
        assume(EQUAL, a, b)
    return could


def _depends_on_rounding(difference: Dim) -> bool:
    rounded = any(isinstance(atom, Apply) for monomial, _ in difference.terms for atom in monomial)
    return rounded and difference.compare(0) is None


def share(size: Dim, parts: DimLike) -> Dim | None:
    """`size // parts`, or None if that is known to leave a remainder; `parts` is not 0.

    Where it is not known, it is noted as a condition.
    """
    quotient = size // parts
    difference = quotient * parts - size
    if difference != 0 and not _depends_on_rounding(difference):
        return None
    if difference != 0:
        assume(DIVIDES, parts, size)
    return quotient


def check_value(value: float | int | bool | Dim, dtype: DType, attribute: str = "value") -> None:
    """Raise `OpError` if `dtype` cannot represent `value`, or one is a boolean and the other is not."""
    if isinstance(value, bool) != (dtype is DType.BOOL):
        raise OpError(f"cannot convert {_text(value)} to {dtype}", attribute=attribute)
    if isinstance(value, bool) or (isinstance(value, Dim) and not value.is_fixed):
        return
    number = value.value if isinstance(value, Dim) else value
    low, high = LIMITS[dtype]
    if dtype.is_float and isinstance(number, float) and not isfinite(number):
        return
    if (dtype.is_int and isinstance(number, float)) or not low <= number <= high:
        raise OpError(
            f"cannot represent {number} in {dtype}", attribute=attribute, help="choose another `dtype`"
        )


def check_floats(op: Op, inputs: Sequence[TensorType | None]) -> None:
    """Raise `OpError` if a float among the arguments of `op` is beyond the floats that it computes with.

    Operators compute 16-bit floats in f32.
    """
    dtype = next((x.dtype for x in inputs if x is not None and x.dtype.is_float), None)
    if dtype is None:
        return
    low, high = LIMITS[DType.F32 if dtype.itemsize == 2 else dtype]
    for field in fields(op):
        number = getattr(op, field.name)
        if isinstance(number, float) and isfinite(number) and not low <= number <= high:
            least, most = LIMITS[dtype]
            help = f"use a value from {least:g} to {most:g}"
            raise OpError(f"cannot represent {number:g} in {dtype}", attribute=field.name, help=help)


def check_sizes(shape: Sequence[Dim], attribute: str = "sizes") -> None:
    if any(size.compare(0) == -1 for size in shape):
        raise OpError(f"needs sizes of at least 0, but got {shape_text(shape)}", attribute=attribute)
    for size in shape:
        assume(AT_LEAST, size, 0)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- along the time axis -----------------------------------------------------------------------------


def need_type(x: TensorType | None) -> TensorType:
    """The type of a required input."""
    assert x is not None
    return x


def reduction_map(xs: InputTypes, y: TensorType, over: Sequence[int], keepdims: bool) -> AxisMap:
    """The axis map of a reduction of `x` over some axes, with masks that broadcast to `x`."""
    x = need_type(xs[0])
    reduced = normal_axes(over, x.rank)
    kept = [axis for axis in range(x.rank) if axis not in reduced]
    places = {axis: axis if keepdims else n for n, axis in enumerate(kept)}
    here = tuple(places.get(axis) for axis in range(x.rank))
    masks = [tuple(here[axis + x.rank - m.rank] for axis in range(m.rank)) if m else () for m in xs[1:]]
    return AxisMap((here, *masks))


def only_left(padded: Mapping[int, tuple[int, int]], x: TensorType, time: TimeAxis) -> LeftContext | None:
    """The left context of padding `(before, after)` by axis, if it lies before a time axis alone."""
    if len(padded) != 1:
        return None
    ((axis, (before, after)),) = padded.items()
    return LeftContext(axis, before) if after == 0 and time.is_axis(x.shape[axis]) else None


def need_both_or_neither(time: TimeAxis, queries: Dim, keys: Dim) -> None:
    """Raise `UnsupportedError` if only the queries, or only the keys, are positions in time."""
    if time.is_axis(queries) != time.is_axis(keys):
        raise UnsupportedError("only its queries, or only its keys, are positions in time")
