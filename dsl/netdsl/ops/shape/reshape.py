"""Operators that change the shape but keep the order of the elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod

from netdsl.dims import Dim, dim, product, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axes,
    Axis,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import could_equal, need_type, normal_axes, normal_axis, share, sizes
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputMap, InputTypes, TimeAxis, TimeSlice, reshape_axes
from netdsl.ops.contract.value import Value
from netdsl.types import TensorType, shape_text, tensor


def need_count(x: TensorType, shape: Sequence[Dim], attribute: str) -> None:
    """Raise `OpError` if `shape` does not have as many elements as `x`."""
    if not could_equal(x.size, product(shape)):
        raise OpError(
            f"cannot change {shape_text(x.shape)} to {shape_text(shape)}: "
            f"{x.size} elements, not {product(shape)}",
            at=["x"],
            attribute=attribute,
        )


def with_shape(x: Array, shape: Sequence[int]) -> Array:
    """`x.reshape(shape)`. Raises `DataError` if sizes known only at run time do not fit."""
    if x.size != prod(shape):
        raise DataError(f"cannot change {list(x.shape)} to {list(shape)}: it has {x.size} elements")
    return x.reshape(tuple(shape))


@operator("reshape", "x")
@immutable
class Reshape(Op):
    """The elements of `x` in row-major order in a new shape.

    Args:
        sizes: The sizes of the result. One of them may be -1, which is inferred from the others.

    Inputs: `x`, any shape with as many elements. Before a size is inferred, sizes that `x` and
    `sizes` have in common are cancelled, so that an empty batch infers the same size as a full one.

    Source: ONNX Reshape with `allowzero=1`.
    """

    category = "plain"
    is_view = True

    sizes: Sizes

    def shape(self, x: TensorType) -> TensorType:
        return x.with_shape(self._resolve(x))

    def _resolve(self, x: TensorType) -> tuple[Dim, ...]:
        unknown = [axis for axis, size in enumerate(self.sizes) if size == -1]
        if len(unknown) > 1:
            raise OpError(f"can infer one size, but got {shape_text(self.sizes)}", attribute="sizes")
        if any(size.compare(0) == -1 and size != -1 for size in self.sizes):
            raise OpError(f"needs sizes of at least 0, but got {shape_text(self.sizes)}", attribute="sizes")
        if not unknown:
            need_count(x, self.sizes, "sizes")
            return self.sizes
        axis = unknown[0]
        return (*self.sizes[:axis], self._infer(x, axis), *self.sizes[axis + 1 :])

    def _infer(self, x: TensorType, axis: int) -> Dim:
        known = [*self.sizes[:axis], *self.sizes[axis + 1 :]]
        left = list(x.shape)
        for size in tuple(known):
            if size in left:
                left.remove(size)
                known.remove(size)
        parts = product(known)
        inferred = None if parts == 0 else share(product(left), parts)
        if inferred is None:
            raise OpError(
                f"cannot change {shape_text(x.shape)} to {shape_text(self.sizes)}: "
                f"no value for -1 gives {x.size} elements",
                at=["x"],
                attribute="sizes",
            )
        return inferred

    def forward(self, xp: Module, x: Array) -> Array:
        if not any(size == -1 for size in self.sizes):
            return with_shape(x, [int(size) for size in self.sizes])
        try:
            shape = self._resolve(tensor("f32", *x.shape))
        except OpError as error:
            raise DataError(error.message) from None
        return with_shape(x, [int(size) for size in shape])

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.reshape(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        return AxisMap((reshape_axes(x.shape, y.shape),))

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        return replace(self, sizes=time.sizes(y.shape, positions))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(6, 4)), draw(2, 3, 4))
        yield example(cls(sizes(2, -1)), draw(2, 3, 4))
        yield example(cls(sizes(-1)), draw_ints(2, 3))
        yield example(cls(sizes(0, -1)), draw(0, 3, 4))
        yield example(cls(()), draw(1, 1))
        yield example(cls(sizes(1, 1)), draw())

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("6 elements, not 8", cls(sizes(2, 4)), tensor("f32", 2, 3))
        yield bad("no value for -1", cls(sizes(4, -1)), tensor("f32", 2, 3))
        yield bad("no value for -1", cls(sizes(0, -1)), tensor("f32", 2, 3))
        yield bad("one size", cls(sizes(-1, -1)), tensor("f32", 2, 3))
        yield bad("at least 0", cls(sizes(-2, -3)), tensor("f32", 2, 3))
        yield bad("B*6 elements, not C*6", cls((symbol("C"), dim(6))), tensor("f32", symbol("B"), 6))


@operator("flatten", "x")
@immutable
class Flatten(Op):
    """`x` with all axes from `start` on merged into one, in row-major order.

    Args:
        start: The first axis to merge; the default keeps the batch axis.

    Inputs: `x`, any shape that has axis `start`.

    Source: ONNX Flatten, without the merge of the axes before `start`.
    """

    category = "plain"
    is_view = True

    start: int = 1

    def shape(self, x: TensorType) -> TensorType:
        start = normal_axis(self.start, x.rank, attribute="start")
        return x.with_shape([*x.shape[:start], product(x.shape[start:])])

    def forward(self, xp: Module, x: Array) -> Array:
        start = self.start % x.ndim
        return x.reshape((*x.shape[:start], prod(x.shape[start:])))

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.reshape(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        return AxisMap((reshape_axes(x.shape, y.shape),))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3, 4))
        yield example(cls(0), draw_bools(2, 3))
        yield example(cls(-2), draw(2, 3, 4, 5))
        yield example(cls(), draw(0, 3, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1", cls(), tensor("f32", 3))
        yield bad("no axes", cls(0), tensor("f32"))


@operator("squeeze", "x")
@immutable
class Squeeze(Op):
    """`x` without the axes `over`, which must have size 1.

    Args:
        over: The axes to drop; an empty list means all.

    Inputs: `x`, any shape with size 1 on those axes.

    Source: ONNX Squeeze.
    """

    category = "plain"
    is_view = True

    over: Axes

    def shape(self, x: TensorType) -> TensorType:
        drop = normal_axes(self.over, x.rank)
        for axis in drop:
            if x.shape[axis] != 1:
                raise OpError(
                    f"needs size 1 on axis {axis}, but it is {x.shape[axis]} in {shape_text(x.shape)}",
                    at=[("x", axis)],
                    attribute="over",
                )
        return x.with_shape([size for axis, size in enumerate(x.shape) if axis not in drop])

    def forward(self, xp: Module, x: Array) -> Array:
        return x.reshape([n for axis, n in enumerate(x.shape) if axis not in normal_axes(self.over, x.ndim)])

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.reshape(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        return AxisMap((reshape_axes(x.shape, y.shape),))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((0,)), draw(1, 3))
        yield example(cls((-1, 1)), draw(2, 1, 3, 1))
        yield example(cls(()), draw_ints(1, 1))
        yield example(cls((1,)), draw(0, 1))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1, but it is 3", cls((1,)), tensor("f32", 2, 3))
        yield bad("axis 0, but it is B", cls((0,)), tensor("f32", symbol("B"), 1))
        yield bad("axis 2", cls((2,)), tensor("f32", 1, 1))
        yield bad("twice", cls((0, -2)), tensor("f32", 1, 1))


@operator("unsqueeze", "x")
@immutable
class Unsqueeze(Op):
    """`x` with a new axis of size 1.

    Args:
        axis: The position of the new axis in the result; -1 is the last.

    Inputs: `x`, any shape.

    Source: ONNX Unsqueeze.
    """

    category = "plain"
    is_view = True

    axis: Axis

    def shape(self, x: TensorType) -> TensorType:
        axis = self._position(x.rank)
        return x.with_shape([*x.shape[:axis], 1, *x.shape[axis:]])

    def _position(self, rank: int) -> int:
        if not -rank - 1 <= self.axis <= rank:
            raise OpError(
                f"got axis {self.axis}, but the result has {rank + 1} axes, so {-rank - 1} to {rank}",
                at=["x"],
                attribute="axis",
            )
        return self.axis % (rank + 1)

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.expand_dims(x, self.axis)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.reshape(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        return AxisMap((reshape_axes(x.shape, y.shape),))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0), draw(2, 3))
        yield example(cls(-1), draw_ints(2, 3))
        yield example(cls(1), draw(2, 3))
        yield example(cls(0), draw())
        yield example(cls(2), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 3", cls(3), tensor("f32", 2, 3))
        yield bad("axis -4", cls(-4), tensor("f32", 2, 3))
