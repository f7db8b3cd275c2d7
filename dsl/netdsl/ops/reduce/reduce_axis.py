"""Reductions of booleans, positions of extremes, and running sums."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axis,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_bool, need_number, normal_axis, reduction_map
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, TimeAxis, UnsupportedError, aligned_map
from netdsl.ops.contract.value import Value
from netdsl.ops.reduce.reduce import Reduction, need_room_for_sums
from netdsl.types import DType, TensorType, shape_text, tensor


class _Truth(Reduction):
    """Base of the reductions of booleans."""

    no_gradient = "returns booleans"

    def shape(self, x: TensorType) -> TensorType:
        need_bool(x, "x")
        return self._fold(x)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw_bools(2, 2))
        yield example(cls((1,)), draw_bools(4, 2, 4))
        yield example(cls((0, -1), True), draw_bools(2, 6, 2))
        yield example(cls(), draw_bools())
        yield example(cls((0,)), draw_bools(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("true or false", cls(), tensor("f32", 3))
        yield bad("axis 1", cls((1,)), tensor("bool", 3))


@operator("any", "x")
@immutable
class Any(_Truth):
    """Whether any element is true over the axes `over`; false over no elements.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, booleans of any shape. Source: ONNX ReduceMax of booleans.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(xp.any(x, axis=self._axes(x), keepdims=self.keepdims))


@operator("all", "x")
@immutable
class All(_Truth):
    """Whether all elements are true over the axes `over`; true over no elements.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.

    Inputs: `x`, booleans of any shape. Source: ONNX ReduceMin of booleans.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(xp.all(x, axis=self._axes(x), keepdims=self.keepdims))


@immutable
class _Position(Op):
    """Base of the positions of the largest and the smallest element."""

    category = "plain"

    over: Axis = -1
    keepdims: bool = False
    no_gradient = "returns positions"

    def shape(self, x: TensorType) -> TensorType:
        need_number(x)
        axis = normal_axis(self.over, x.rank, attribute="over")
        if x.shape[axis] == 0:
            raise OpError(
                f"needs elements along axis {axis}, but there are none in {shape_text(x.shape)}",
                at=[("x", axis)],
                attribute="over",
            )
        kept = [1] if self.keepdims else []
        return x.with_shape([*x.shape[:axis], *kept, *x.shape[axis + 1 :]]).with_dtype(DType.I64)

    def _found(self, xp: Module, function: str, x: Array) -> Array:
        if x.shape[self.over] == 0:
            raise DataError(f"needs elements along axis {self.over}, but there are none")
        position = getattr(xp, function)(x, axis=self.over, keepdims=self.keepdims)
        return xp.asarray(position).astype(xp.int64, copy=False)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return reduction_map(xs, y, (self.over,), self.keepdims)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 4))
        yield example(cls(1, True), draw(2, 3, 4))
        yield example(cls(0), draw_ints(9, 4, high=3))
        yield example(cls(), draw(5))
        yield example(cls(1), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 2", cls(2), tensor("f32", 3, 4))
        yield bad("no axes", cls(), tensor("f32"))
        yield bad("needs numbers", cls(), tensor("bool", 3))
        yield bad("along axis 1, but there are none", cls(), tensor("f32", 3, 0))


@operator("argmax", "x")
@immutable
class ArgMax(_Position):
    """The position of the largest element along an axis, the first of equal elements.

    Args:
        over: The axis to search; the last one by default.
        keepdims: Whether the axis stays, with size 1.

    Inputs: `x`, numbers of any shape, with elements along that axis. The result is i64.

    Source: ONNX ArgMax.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return self._found(xp, "argmax", x)


@operator("argmin", "x")
@immutable
class ArgMin(_Position):
    """The position of the smallest element along an axis, the first of equal elements.

    Args:
        over: The axis to search; the last one by default.
        keepdims: Whether the axis stays, with size 1.

    Inputs: `x`, numbers of any shape, with elements along that axis. The result is i64.

    Source: ONNX ArgMin.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return self._found(xp, "argmin", x)


@operator("cumsum", "x")
@immutable
class CumSum(Op):
    """Running sums along an axis: `y[i] = x[0] + ... + x[i]`.

    Args:
        axis: The axis to sum along; the last one by default.
        exclusive: Whether `y[i]` excludes `x[i]`, so that the first sum is 0.
        reverse: Whether to sum from the end.

    Inputs: `x`, floats, i32 or i64 of any shape with that axis. f16 is summed in f32; integers keep
    their type and wrap on overflow.

    Source: ONNX CumSum.
    """

    category = "plain"

    axis: Axis = -1
    exclusive: bool = False
    reverse: bool = False

    def shape(self, x: TensorType) -> TensorType:
        need_room_for_sums(x)
        normal_axis(self.axis, x.rank)
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        rows = xp.moveaxis(x, self.axis, -1)
        rows = rows[..., ::-1] if self.reverse else rows
        dtype = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        sums = xp.cumsum(rows, axis=-1, dtype=dtype)
        if self.exclusive:
            sums = xp.concatenate([xp.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1)
        sums = sums[..., ::-1] if self.reverse else sums
        return xp.moveaxis(sums, -1, self.axis).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(CumSum(self.axis, self.exclusive, not self.reverse))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    def running_sum_axis(self, y: TensorType) -> int | None:
        return None if self.reverse else self.axis % y.rank

    def check_time_axes(self, xs: InputTypes, time: TimeAxis) -> None:
        (x,) = xs
        assert x is not None
        size = x.shape[self.axis]
        if time.is_extended(size) and (self.reverse or not time.is_axis(size)):
            raise UnsupportedError("it runs over time from the end")

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 5))
        yield example(cls(0, True), draw(4, 2, 3))
        yield example(cls(1, False, True), draw(2, 4, 3))
        yield example(cls(-1, True, True), draw_ints(2, 4, low=-9))
        yield example(cls(), draw_ints(5, dtype="i32"))
        yield example(cls(), draw(0, 3))
        yield example(cls(0, True), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 2", cls(2), tensor("f32", 3, 4))
        yield bad("no axes", cls(), tensor("f32"))
        yield bad("cast(i32)", cls(), tensor("u8", 3))
        yield bad("needs numbers", cls(), tensor("bool", 3))
