"""Reductions of numbers over any axes."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from netdsl.dims import product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axes,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    TypeMismatch,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_mask, need_number, normal_axes, reduction_map
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.arithmetic import Maximum
from netdsl.ops.elementwise.elementary import Exp
from netdsl.ops.elementwise.rounding import IsFinite
from netdsl.ops.numerics.functions import widen
from netdsl.ops.numerics.moments import AxisSet, axis_set, wide_sum
from netdsl.types import DType, TensorType, shape_text, tensor


def need_room_for_sums(x: TensorType) -> None:
    """Raise `OpError` for booleans, and for 8-bit integers, whose sums would overflow."""
    need_number(x)
    if x.dtype in (DType.I8, DType.U8):
        raise TypeMismatch(
            f"would overflow {x.dtype}: `x` is {x}", at=["x"], help="convert it first: `cast(i32)`"
        )


@immutable
class Reduction(Op):
    """Base of reductions: the axes to reduce, and whether they stay with size 1."""

    category = "plain"

    over: Axes = ()
    keepdims: bool = False

    @property
    def _least(self) -> int:
        """The smallest number of elements that can be reduced."""
        return 0

    def _fold(self, x: TensorType) -> TensorType:
        axes = normal_axes(self.over, x.rank)
        elements = product(x.shape[axis] for axis in axes)
        if elements.compare(self._least) == -1:
            raise OpError(
                f"needs at least {self._least} elements, but got {elements} over axes {list(axes)} of "
                f"{shape_text(x.shape)}",
                at=[("x", axis) for axis in axes],
                attribute="over",
            )
        kept = [(1 if axis in axes else n) for axis, n in enumerate(x.shape)]
        return x.with_shape(kept if self.keepdims else [n for a, n in enumerate(kept) if a not in axes])

    def _axes(self, x: Array) -> AxisSet:
        """The axes to reduce. Raises `DataError` if they have too few elements."""
        axes = normal_axes(self.over, x.ndim)
        elements = prod(x.shape[axis] for axis in axes)
        if elements < self._least:
            raise DataError(f"needs at least {self._least} elements, but got {elements}")
        return axis_set(axes, x.ndim)

    def _count(self, x: Array) -> int:
        return prod(x.shape[axis] for axis in normal_axes(self.over, x.ndim))

    def _unfold(self, folded: Value, x: Value) -> Value:
        """A value of the result's shape, with size 1 on the reduced axes."""
        return folded if self.keepdims else folded.unfold(normal_axes(self.over, x.rank), x)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return reduction_map(xs, y, self.over, self.keepdims)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 4))
        yield example(cls((1,)), draw(2, 3, 4))
        yield example(cls((0, -1), True), draw(2, 3, 4))
        yield example(cls(keepdims=True), draw(2, 3))
        yield example(cls(), draw())
        yield example(cls((1,)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 2", cls((2,)), tensor("f32", 3, 4))
        yield bad("twice", cls((0, -1)), tensor("f32", 3))
        yield bad("axis 1", cls((1,)), tensor("f32", 3))
        if cls()._least:
            yield bad("got 0 over axes [1]", cls((1,)), tensor("f32", 3, 0))


class _MaskedReduction(Reduction):
    """Base of the reductions that take a keep-mask."""

    def _masked(self, xp: Module, x: Array, where: Array | None) -> Array:
        return x if where is None else xp.where(where, x, x.dtype.type(0))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((-1,)), draw(5, 6), draw_bools(5, 6))
        yield example(cls((0, 2), True), draw(2, 3, 4), draw_bools(3, 1))
        yield example(cls(), draw(3), draw_bools(3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("true or false", cls(), tensor("f32", 3), tensor("f32", 3))
        yield bad("`where`", cls(), tensor("f32", 3), tensor("bool", 2, 3))


@operator("sum", "x", "where?")
@immutable
class Sum(_MaskedReduction):
    """The sum over the axes `over`; 0 over no elements.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, floats, i32 or i64 of any shape; `where`, a keep-mask that broadcasts to `x`: positions
    that are false do not count. f16 is summed in f32; integers keep their type and wrap on overflow.

    Source: ONNX ReduceSum.
    """

    def shape(self, x: TensorType, where: TensorType | None = None) -> TensorType:
        need_room_for_sums(x)
        if where is not None:
            need_mask(x, where)
        return self._fold(x)

    def forward(self, xp: Module, x: Array, where: Array | None = None) -> Array:
        total = wide_sum(xp, self._masked(xp, x, where), self._axes(x), keepdims=self.keepdims)
        return total.astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value, where: Value | None) -> tuple[Value, None]:
        flow = self._unfold(dy, x)
        return (flow if where is None else where.select(flow, 0)).expand(x.shape), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((0,)), draw_ints(4, 3, low=-9))
        yield example(cls(), draw_ints(4, 3, dtype="i32"))
        yield example(cls((0,)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("cast(i32)", cls(), tensor("u8", 3))


@operator("mean", "x", "where?")
@immutable
class Mean(_MaskedReduction):
    """The mean over the axes `over`, or over the positions that `where` keeps.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, floats of any shape, with elements along `over`, or booleans, whose mean is the fraction
    of true ones, in f32; `where`, a keep-mask that broadcasts to `x`: positions that are false do not
    count, and the mean of no kept positions is 0. f16 is summed in f32.

    Source: ONNX ReduceMean.
    """

    @property
    def _least(self) -> int:
        return 1

    def shape(self, x: TensorType, where: TensorType | None = None) -> TensorType:
        if x.dtype is DType.BOOL:
            x = x.with_dtype(DType.F32)
        need_float(x)
        if where is not None:
            need_mask(x, where)
        return self._fold(x)

    def forward(self, xp: Module, x: Array, where: Array | None = None) -> Array:
        axes = self._axes(x)
        x = x.astype("float32") if x.dtype == bool else x
        total = wide_sum(xp, self._masked(xp, x, where), axes, keepdims=self.keepdims)
        count: Any = self._count(x)
        if where is not None:
            kept = xp.sum(xp.broadcast_to(where, x.shape), axis=axes, keepdims=self.keepdims)
            count = xp.maximum(kept, 1).astype(total.dtype)
        return xp.asarray(total / count).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value, where: Value | None) -> tuple[Value | None, None]:
        if not x.dtype.is_float:
            return None, None
        axes, flow = normal_axes(self.over, x.rank), self._unfold(dy, x).widened()
        if where is None:
            count = flow.constant(product(x.shape[axis] for axis in axes))
            return (flow / count).cast(x.dtype).expand(x.shape), None
        aligned = where.reshape([*[1] * (x.rank - where.rank), *where.shape]).cast(flow.dtype)
        counted = [x.shape[axis] if axis in axes else n for axis, n in enumerate(aligned.shape)]
        kept = aligned.expand(counted).sum(axes, keepdims=True)
        share = (flow / kept.apply(Maximum(), kept.constant(1))).cast(x.dtype)
        return where.select(share, 0).expand(x.shape), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((1,)), draw_bools(3, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("floating-point", cls(), tensor("i32", 3))


@operator("prod", "x")
@immutable
class Prod(Reduction):
    """The product over the axes `over`; 1 over no elements.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, floats, i32 or i64 of any shape. f16 is multiplied in f32; integers keep their type and
    wrap on overflow.

    Source: ONNX ReduceProd.
    """

    def shape(self, x: TensorType) -> TensorType:
        need_room_for_sums(x)
        return self._fold(x)

    def forward(self, xp: Module, x: Array) -> Array:
        dtype = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        result = xp.prod(x, axis=self._axes(x), dtype=dtype, keepdims=self.keepdims)
        return xp.asarray(result).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        """The product of the other elements: 0 for an element if another one is 0."""
        axes, zero = normal_axes(self.over, x.rank), x.equals(0)
        others = zero.select(1, x)
        product = others.apply(Prod(axes, keepdims=True)) if axes else others
        zeros = zero.cast(DType.I32)
        reached = zeros.sum(axes, keepdims=True) <= zeros
        return reached.select(self._unfold(dy, x) * product / others, 0)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((0,)), draw_ints(4, 3, low=-9))
        yield example(cls((0,)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("cast(i32)", cls(), tensor("i8", 3))


class _Extreme(Reduction):
    """Base of the largest and the smallest element."""

    @property
    def _least(self) -> int:
        return 1

    def shape(self, x: TensorType) -> TensorType:
        need_number(x)
        return self._fold(x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        """`dy`, shared equally among the elements that tie."""
        is_extreme = x.equals(self._unfold(y, x))
        ties = is_extreme.cast(DType.I32).sum(normal_axes(self.over, x.rank), keepdims=True)
        return self._unfold(dy, x) / ties.cast(x.dtype) * is_extreme.cast(x.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((1,)), draw_ints(4, 3, low=-9))
        yield example(cls(), draw_ints(4, 3, low=-9, dtype="i8"))


@operator("max", "x")
@immutable
class Max(_Extreme):
    """The largest element over the axes `over`; NaN if there is one.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, numbers of any shape, with elements along `over`.

    Source: ONNX ReduceMax.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(xp.max(x, axis=self._axes(x), keepdims=self.keepdims))


@operator("min", "x")
@immutable
class Min(_Extreme):
    """The smallest element over the axes `over`; NaN if there is one.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, numbers of any shape, with elements along `over`.

    Source: ONNX ReduceMin.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(xp.min(x, axis=self._axes(x), keepdims=self.keepdims))


@operator("logsumexp", "x")
@immutable
class LogSumExp(Reduction):
    """`log(sum(exp(x)))` over the axes `over`, shifted by the maximum so that it cannot overflow.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, floats of any shape; `-inf` over no elements. f16 is computed in f32.

    Source: ONNX ReduceLogSumExp.
    """

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        return self._fold(x)

    def forward(self, xp: Module, x: Array) -> Array:
        axes = self._axes(x)
        if self._count(x) == 0:
            return xp.full(xp.sum(x, axis=axes, keepdims=self.keepdims).shape, -xp.inf, dtype=x.dtype)
        wide = widen(xp, x)
        top = xp.max(wide, axis=axes, keepdims=True)
        finite = xp.isfinite(top)
        zero = wide.dtype.type(0)
        shifted = xp.where(finite, wide - xp.where(finite, top, zero), zero)
        result = xp.log(xp.sum(xp.exp(shifted), axis=axes, keepdims=True)) + top
        result = result if self.keepdims else xp.squeeze(result, axis=axes)
        return result.astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        top = self._unfold(y, x)
        top = top.apply(IsFinite()).select(
            top, 0
        )  # if all of a group is `-inf`, its gradient is 0 instead of NaN
        return self._unfold(dy, x) * (x - top).apply(Exp())

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((1,)), draw(3, 4, low=-1000, high=1000))
        yield example(cls((0,)), draw(0, 3))
