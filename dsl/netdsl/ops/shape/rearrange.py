"""Operators that reorder axes and elements, or repeat them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import TypeVar

from netdsl.dims import Dim, product, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Ints,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_type, normal_axis, sizes
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import (
    AxisMap,
    InputMap,
    InputTypes,
    TimeAxis,
    TimeSlice,
    elementwise_map,
    mixing_map,
    reshape_axes,
)
from netdsl.ops.contract.value import Value
from netdsl.ops.shape.reshape import need_count, with_shape
from netdsl.types import TensorType, shape_text, tensor

_Size = TypeVar("_Size", Dim, int)


def check_order(order: Sequence[int], rank: int) -> None:
    if sorted(order) != list(range(rank)):
        raise OpError(
            f"needs `order` to name each of {rank} axes once, but got {list(order)}",
            at=["x"],
            attribute="order",
        )


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes `order`, which counts from the front."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


@operator("transpose", "x")
@immutable
class Transpose(Op):
    """`x` with its axes reordered: axis `i` of the result is axis `order[i]` of `x`.

    Args:
        order: Each axis of `x` once; negative numbers count from the end.

    Inputs: `x`, any shape with as many axes as `order` has entries.

    Source: ONNX Transpose.
    """

    category = "plain"
    is_view = True

    order: Ints

    def shape(self, x: TensorType) -> TensorType:
        if len(self.order) != x.rank:
            raise OpError(
                f"needs `order` to name each of {x.rank} axes once, but got {list(self.order)}",
                at=["x"],
                attribute="order",
            )
        order = [normal_axis(axis, x.rank, attribute="order") for axis in self.order]
        check_order(order, x.rank)
        return x.with_shape([x.shape[axis] for axis in order])

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.transpose(x, self.order)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.transpose(_inverse([axis % x.rank for axis in self.order]))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        order = [axis % y.rank for axis in self.order]
        return AxisMap((tuple(order.index(axis) for axis in range(y.rank)),))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((1, 0)), draw(2, 3))
        yield example(cls((0, -1, -2)), draw(2, 3, 4))
        yield example(cls((3, 0, 2, 1)), draw_bools(2, 3, 4, 5))
        yield example(cls(()), draw())
        yield example(cls((1, 0)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("each of 3 axes", cls((1, 0)), tensor("f32", 2, 3, 4))
        yield bad("each of 2 axes", cls((1, -1)), tensor("f32", 2, 3))
        yield bad("axis 2", cls((0, 2)), tensor("f32", 2, 3))


@operator("rearrange", "x")
@immutable
class Rearrange(Op):
    """`x` with its axes split, reordered and merged: `[B, T, heads*dh] => [B, heads, T, dh]`.

    `reshape(x, split)`, then `transpose` by `order`, then each run of `merge[i]` axes becomes axis `i`
    of the result.

    Args:
        split: The sizes after splitting the axes of `x`.
        order: The order of the split axes.
        merge: The number of ordered axes that each axis of the result merges, in order; 0 adds a new
            axis of size 1. None are merged by default.

    Inputs: `x`, any shape with as many elements as `split`.

    Source: Rogozhnikov, "Einops", ICLR 2022.
    """

    category = "plain"

    split: Sizes
    order: Ints
    merge: Ints | None = None

    def shape(self, x: TensorType) -> TensorType:
        need_count(x, self.split, "split")
        check_order(self.order, len(self.split))
        if any(count < 0 for count in self._merge) or sum(self._merge) != len(self.split):
            raise OpError(
                f"needs `merge` to group {len(self.split)} axes, but got {list(self._merge)}",
                attribute="merge",
            )
        return x.with_shape([product(run) for run in self._runs([self.split[axis] for axis in self.order])])

    @property
    def _merge(self) -> Ints:
        return (1,) * len(self.split) if self.merge is None else self.merge

    def _runs(self, ordered: Sequence[_Size]) -> list[Sequence[_Size]]:
        ends = [sum(self._merge[: n + 1]) for n in range(len(self._merge))]
        return [ordered[end - count : end] for end, count in zip(ends, self._merge, strict=True)]

    def forward(self, xp: Module, x: Array) -> Array:
        whole = with_shape(x, [int(size) for size in self.split])
        ordered = xp.transpose(whole, self.order)
        return ordered.reshape([prod(run) for run in self._runs(ordered.shape)])

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        ordered = dy.reshape([self.split[axis] for axis in self.order])
        return ordered.transpose(_inverse(self.order)).reshape(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        owner = self._merged_into()
        axes: list[int | None] = []
        for part in reshape_axes(need_type(xs[0]).shape, self.split):
            axis = None if part is None else owner[part]
            unsplit = axis is not None and part is not None and y.shape[axis] == self.split[part]
            axes.append(axis if unsplit else None)
        return AxisMap((tuple(axes),))

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        owner = self._merged_into()
        parts = [positions[owner[n]] if time.is_extended(size) else None for n, size in enumerate(self.split)]
        return replace(self, split=time.sizes(self.split, tuple(parts)))

    def _merged_into(self) -> dict[int, int]:
        """For each axis of `split`, the axis of the result that it is merged into."""
        order = [axis % len(self.split) for axis in self.order]
        merge = self.merge or (1,) * len(order)
        owner = [axis for axis, count in enumerate(merge) for _ in range(count)]
        return dict(zip(order, owner, strict=True))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(2, 3, 2, 4), (0, 2, 1, 3)), draw(2, 3, 8))
        yield example(cls(sizes(2, 2, 3, 4), (0, 2, 1, 3), (1, 1, 2)), draw(2, 2, 3, 4))
        yield example(cls(sizes(2, 3, 4), (2, 0, 1), (0, 1, 2, 0)), draw(2, 3, 4))
        yield example(cls((), (), (0, 0)), draw())
        yield example(cls(sizes(0, 2, 3), (1, 0, 2), (1, 2)), draw_ints(0, 6))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("6 elements, not 8", cls(sizes(2, 4), (0, 1)), tensor("f32", 2, 3))
        yield bad("`order`", cls(sizes(2, 3), (0, 0)), tensor("f32", 2, 3))
        yield bad("`merge`", cls(sizes(2, 3), (0, 1), (1,)), tensor("f32", 2, 3))
        yield bad("`merge`", cls(sizes(2, 3), (0, 1), (3, -1)), tensor("f32", 2, 3))


@operator("expand", "x")
@immutable
class Expand(Op):
    """`x` repeated along axes of size 1, and along new first axes, to the shape `sizes`.

    Args:
        sizes: The sizes of the result.

    Inputs: `x`, whose sizes from the last axis backwards agree with `sizes` or are 1.

    The result may share the memory of `x`. Source: ONNX Expand, except that `sizes` is the complete shape of
    the result.
    """

    category = "plain"
    is_view = True

    sizes: Sizes

    def shape(self, x: TensorType) -> TensorType:
        if x.rank > len(self.sizes):
            raise OpError(
                f"cannot expand {shape_text(x.shape)} to {shape_text(self.sizes)}, which has fewer axes",
                at=["x"],
                attribute="sizes",
            )
        for axis, (size, wanted) in enumerate(
            zip(x.shape, self.sizes[len(self.sizes) - x.rank :], strict=True)
        ):
            if size != 1 and size != wanted:
                raise OpError(
                    f"cannot expand {shape_text(x.shape)} to {shape_text(self.sizes)}: "
                    f"axis {axis} is {size}, not {wanted}",
                    at=[("x", axis)],
                    attribute="sizes",
                    help="sizes must agree from the last axis backwards, or be 1",
                )
        return x.with_shape(self.sizes)

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.broadcast_to(x, tuple(int(size) for size in self.sizes))

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.sum_to(x.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        return replace(self, sizes=time.sizes(y.shape, positions))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(2, 3)), draw(1, 3))
        yield example(cls(sizes(4, 2, 3)), draw_ints(2, 1))
        yield example(cls(sizes(2, 3)), draw())
        yield example(cls(sizes(0, 3)), draw(1, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1 is 3, not 4", cls(sizes(2, 4)), tensor("f32", 2, 3))
        yield bad("fewer axes", cls(sizes(3)), tensor("f32", 1, 3))
        yield bad("axis 0 is B", cls(sizes(2)), tensor("f32", symbol("B")))


@operator("tile", "x")
@immutable
class Tile(Op):
    """Copies of `x` side by side: `repeats[i]` of them along axis `i`.

    Args:
        repeats: One count per axis, at least 0.

    Inputs: `x`, any shape.

    Source: ONNX Tile.
    """

    category = "plain"

    repeats: Ints

    def shape(self, x: TensorType) -> TensorType:
        if len(self.repeats) != x.rank:
            raise OpError(
                f"got {len(self.repeats)} values for `repeats`, but `x` is {x} with {x.rank} axes",
                at=["x"],
                attribute="repeats",
            )
        if any(count < 0 for count in self.repeats):
            raise OpError(f"needs `repeats` of at least 0, but got {min(self.repeats)}", attribute="repeats")
        return x.with_shape([size * count for size, count in zip(x.shape, self.repeats, strict=True)])

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.tile(x, self.repeats)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        pairs = [size for pair in zip(self.repeats, x.shape, strict=True) for size in pair]
        return dy.reshape(pairs).sum(range(0, 2 * x.rank, 2))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *(axis for axis, count in enumerate(self.repeats) if count != 1))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((2, 3)), draw(2, 3))
        yield example(cls((1, 2, 1)), draw_bools(2, 1, 3))
        yield example(cls((0, 2)), draw(2, 3))
        yield example(cls((2, 2)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("`repeats`", cls((2,)), tensor("f32", 2, 3))
        yield bad("at least 0, but got -1", cls((1, -1)), tensor("f32", 2, 3))
