"""Writing elements at the positions in another array."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from netdsl.dims import product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axis,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_int, need_number, need_type, normal_axis, same_dtype
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, same_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Range
from netdsl.ops.index.gather import GatherElements
from netdsl.ops.numerics.blocking import on_cpu
from netdsl.ops.numerics.indexing import from_front, grid, need_room
from netdsl.types import DType, TensorType, shape_text, tensor

_REDUCTIONS = {"none": None, "add": "add", "max": "maximum", "min": "minimum"}


@operator("scatter", "x", "indices", "updates")
@immutable
class Scatter(Op):
    """A copy of `x` with `updates` written to, or combined with, the elements at `indices` along `axis`.

    `y[indices[i, j], j] = updates[i, j]` for `axis=0` of two.

    Args:
        axis: The axis of `x` to index.
        reduce: `"none"` writes; `"add"`, `"max"` and `"min"` combine each update with the element. If
            several updates have the same index, `"none"` keeps an unspecified one of them.

    Inputs: `x`, any shape; `indices`, integers with as many axes, no longer than `x` on the other axes,
    in `[-n, n)` for an axis of size `n`, negative ones counted from the end; `updates`, shaped as
    `indices`. f16 is summed in f32; on a GPU the order of a sum is not fixed.

    Source: ONNX ScatterElements.
    """

    category = "plain"

    axis: Axis = 0
    reduce: str = "none"

    def shape(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        if self.reduce not in _REDUCTIONS:
            raise OpError(
                f'has no `reduce="{self.reduce}"`',
                attribute="reduce",
                help=f"use one of {', '.join(_REDUCTIONS)}",
            )
        need_int(indices, "indices")
        need_room(x, indices, axis)
        same_dtype(x, updates, ("x", "updates"))
        if self.reduce != "none":
            need_number(x)
        if updates.shape != indices.shape:
            raise OpError(
                f"needs one update per index, but got {shape_text(updates.shape)} for "
                f"{shape_text(indices.shape)}",
                at=["updates", "indices"],
            )
        return x

    def forward(self, xp: Module, x: Array, indices: Array, updates: Array) -> Array:
        axis = self.axis % x.ndim
        where = grid(xp, from_front(xp, indices, x.shape[axis], f"axis {axis}"), axis)
        function = _REDUCTIONS[self.reduce]
        if function is None:
            out = x.copy()
            out[where] = updates
            return out
        out = _carry(xp, x, function)
        getattr(xp, function).at(out, where, _carry(xp, updates, function))
        return _uncarry(xp, out, x.dtype, function)

    def gradient(
        self, dy: Value, y: Value, x: Value, indices: Value, updates: Value
    ) -> tuple[Value, None, Value]:
        """Elements that tie for `"max"` or `"min"` share the gradient equally."""
        at = GatherElements(self.axis)
        if self.reduce == "add":
            return dy, None, dy.apply(at, indices)
        if self.reduce == "none":
            won = self._won(x, indices)
            dx = dy.apply(self, indices, updates.zeros())
            return dx, None, won.select(dy.apply(at, indices), 0)
        stays = x.equals(y).cast(x.dtype)
        enters = updates.equals(y.apply(at, indices)).cast(x.dtype)
        share = dy / stays.apply(Scatter(self.axis, "add"), indices, enters)
        return share * stays, None, share.apply(at, indices) * enters

    def _won(self, x: Value, indices: Value) -> Value:
        """Which of the updates to the same element were kept: each writes its number there."""
        numbers = indices.make(Range(product(indices.shape))).reshape(indices.shape)
        written = x.constant(0, x.shape, DType.I64).apply(self, indices, numbers)
        return written.apply(GatherElements(self.axis), indices).equals(numbers)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        axis = self.axis % y.rank
        indices = need_type(xs[1])
        rows = tuple(n if n != axis and indices.shape[n] == y.shape[n] else None for n in range(y.rank))
        return AxisMap((same_axes(y.rank), rows, rows), frozenset({axis}))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        distinct = draw_ints(1, 4, low=-3, high=3)
        yield example(cls(), draw(3, 4), distinct, draw(1, 4))
        yield example(cls(1), draw(3, 4), draw_ints(2, 1, low=0, high=4, dtype="i32"), draw(2, 1))
        for name in ("add", "max", "min"):
            yield example(cls(-1, name), draw(3, 4), draw_ints(3, 9, low=-4, high=4), draw(3, 9))
            numbers = draw_ints(5, low=-9), draw_ints(20, low=0, high=5), draw_ints(20, low=-9)
            yield example(cls(0, name), *numbers)
        yield example(cls(0, "add"), draw(3, 4), draw_ints(0, 4), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, indices = tensor("f32", 3, 4), tensor("i64", 2, 4)
        yield bad("needs integers", cls(), x, tensor("f32", 2, 4), tensor("f32", 2, 4))
        yield bad("axis 1 is 5, not at most 4", cls(), x, tensor("i64", 2, 5), tensor("f32", 2, 5))
        yield bad("one update per index", cls(), x, indices, tensor("f32", 2, 3))
        yield bad("one element type", cls(), x, indices, tensor("i64", 2, 4))
        yield bad('reduce="mul"', cls(reduce="mul"), x, indices, tensor("f32", 2, 4))
        yield bad("needs numbers", cls(0, "max"), tensor("bool", 3), tensor("i64", 3), tensor("bool", 3))
        yield bad("axis 2", cls(2), x, indices, tensor("f32", 2, 4))


_SIGN = 1 << 63


def _carry(xp: Module, x: Array, function: str) -> Array:
    """A copy of `x` in a type that CuPy can scatter: 32-bit types and floats unchanged, i64 as u64.

    Sums of u64 wrap as those of i64 do; with the sign bit flipped, u64 is ordered as i64 is. On a GPU the
    largest and smallest of floats are those of integers with the same order: CuPy compares f64 as f32 there,
    and drops NaN.
    """
    if x.dtype == xp.int64:
        bits = x.astype(xp.uint64)
        return bits if function == "add" else bits ^ xp.uint64(_SIGN)
    if x.dtype.itemsize < 4:
        x = x.astype(xp.int32 if x.dtype.kind in "iu" else xp.float32)
    if function == "add" or x.dtype.kind != "f" or on_cpu(xp):
        return x.copy()
    nan = x.dtype.type(math.nan if function == "maximum" else -math.nan)
    keys = _ordered(xp, xp.where(xp.isnan(x), nan, x).view(_integers(xp, x)))
    return _carry(xp, keys, function)


def _uncarry(xp: Module, x: Array, dtype: Any, function: str) -> Array:
    if x.dtype == xp.uint64 and function != "add":
        x = (x ^ xp.uint64(_SIGN)).astype(xp.int64)
    if function != "add" and x.dtype.kind == "i" and dtype.kind not in "iu":
        x = _ordered(xp, x).view(xp.float64 if x.dtype.itemsize == 8 else xp.float32)
    return x.astype(dtype)


def _integers(xp: Module, x: Array) -> Any:
    return xp.int64 if x.dtype.itemsize == 8 else xp.int32


def _ordered(xp: Module, bits: Array) -> Array:
    """The bits of floats as integers of the same order, and back; NaN is beyond infinity."""
    last = bits.dtype.itemsize * 8 - 1
    return bits ^ ((bits >> last) & bits.dtype.type(2**last - 1))
