"""Operators that join arrays and split them along an axis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from netdsl.dims import Dim, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axis,
    BadExample,
    DataError,
    Example,
    LeftContext,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import could_equal, need_type, normal_axis, same_dtype, share, sizes
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, TimeAxis, aligned_map
from netdsl.ops.contract.value import Value
from netdsl.types import TensorType, shape_text, tensor

MAX_PARTS = 100_000
"""The most parts that an axis is cut into."""


def check_alike(xs: tuple[TensorType, ...], *, but: int | None = None) -> None:
    """Raise `OpError` if the inputs differ in type, in rank, or in a size on an axis other than `but`."""
    if not xs:
        raise OpError("needs at least one input", at=["xs"])
    for n, x in enumerate(xs[1:], 1):
        names = ("xs[0]", f"xs[{n}]")
        same_dtype(xs[0], x, names)
        if x.rank != xs[0].rank:
            raise OpError(f"needs inputs with equally many axes, but got {xs[0]} and {x}", at=names)
        for axis, (first, size) in enumerate(zip(xs[0].shape, x.shape, strict=True)):
            if axis != but and first != size:
                raise OpError(
                    f"cannot join {shape_text(xs[0].shape)} and {shape_text(x.shape)}: "
                    f"axis {axis} is {first} and {size}",
                    at=[(name, axis) for name in names],
                )


@operator("concat", "*xs")
@immutable
class Concat(Op):
    """The inputs joined along `axis`, one after another.

    Args:
        axis: The axis to join; the last one by default.

    Inputs: at least one, of one element type, with equal sizes on all other axes.

    Source: ONNX Concat.
    """

    category = "plain"

    axis: Axis = -1

    def shape(self, *xs: TensorType) -> TensorType:
        axis = normal_axis(self.axis, xs[0].rank, at="xs[0]") if xs else 0
        check_alike(xs, but=axis)
        total = sum((x.shape[axis] for x in xs[1:]), start=xs[0].shape[axis])
        return xs[0].with_shape([*xs[0].shape[:axis], total, *xs[0].shape[axis + 1 :]])

    def forward(self, xp: Module, *xs: Array) -> Array:
        return xp.concatenate(xs, axis=self.axis)

    def gradient(self, dy: Value, y: Value, *xs: Value) -> tuple[Value, ...]:
        return dy.apply_all(Split(sizes=tuple(x.shape[self.axis] for x in xs), axis=self.axis))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    def left_context(self, xs: InputTypes, time: TimeAxis) -> LeftContext | None:
        """The inputs before the sequence, if their number of positions is fixed."""
        if len(xs) != 2:
            return None
        before, x = need_type(xs[0]), need_type(xs[1])
        axis = self.axis % x.rank
        if not (before.shape[axis].is_fixed and time.is_axis(x.shape[axis])):
            return None
        return LeftContext(axis, before.shape[axis].value, slot=1, start=0)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3), draw(2, 1), draw(2, 4))
        yield example(cls(0), draw_ints(2, 3), draw_ints(1, 3))
        yield example(cls(-2), draw(2, 3, 4), draw(2, 2, 4))
        yield example(cls(), draw_bools(2, 3))
        yield example(cls(0), draw(0, 3), draw(2, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("at least one", cls())
        yield bad("axis 0 is 2 and 3", cls(), tensor("f32", 2, 3), tensor("f32", 3, 3))
        yield bad("axis 0 is B and 3", cls(), tensor("f32", symbol("B"), 3), tensor("f32", 3, 3))
        yield bad("equally many axes", cls(), tensor("f32", 2, 3), tensor("f32", 2))
        yield bad("one element type", cls(), tensor("f32", 2), tensor("f64", 2))
        yield bad("axis 2", cls(2), tensor("f32", 2, 3), tensor("f32", 2, 3))
        yield bad("no axes", cls(), tensor("f32"), tensor("f32"))


@operator("stack", "*xs")
@immutable
class Stack(Op):
    """The inputs joined along a new axis.

    Args:
        axis: The position of the new axis in the result; the first by default.

    Inputs: at least one, of one type and shape.

    Source: ONNX ConcatFromSequence with `new_axis=1`.
    """

    category = "plain"

    axis: Axis = 0

    def shape(self, *xs: TensorType) -> TensorType:
        check_alike(xs)
        rank = xs[0].rank + 1
        if not -rank <= self.axis < rank:
            raise OpError(
                f"got axis {self.axis}, but the result has {rank} axes, so {-rank} to {rank - 1}",
                at=["xs[0]"],
                attribute="axis",
            )
        axis = self.axis % rank
        return xs[0].with_shape([*xs[0].shape[:axis], len(xs), *xs[0].shape[axis:]])

    def forward(self, xp: Module, *xs: Array) -> Array:
        return xp.stack(xs, axis=self.axis)

    def gradient(self, dy: Value, y: Value, *xs: Value) -> tuple[Value, ...]:
        layers = dy.apply_all(Split(len(xs), axis=self.axis))
        return tuple(layer.reshape(x.shape) for layer, x in zip(layers, xs, strict=True))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        axis = self.axis % y.rank
        return AxisMap(tuple(tuple(n + (n >= axis) for n in range(y.rank - 1)) for _ in xs))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3), draw(2, 3))
        yield example(cls(-1), draw(2, 3), draw(2, 3), draw(2, 3))
        yield example(cls(1), draw_ints(2, 3), draw_ints(2, 3))
        yield example(cls(), draw(), draw())
        yield example(cls(), draw(0, 3), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("at least one", cls())
        yield bad("axis 1 is 3 and 4", cls(), tensor("f32", 2, 3), tensor("f32", 2, 4))
        yield bad("equally many axes", cls(), tensor("f32", 2), tensor("f32", 2, 1))
        yield bad("one element type", cls(), tensor("f32", 2), tensor("i32", 2))
        yield bad("axis 3", cls(3), tensor("f32", 2, 3), tensor("f32", 2, 3))


@operator("split", "x")
@immutable
class Split(Op):
    """`x` cut along `axis` into several outputs.

    Args:
        parts: Cut into this many equal parts.
        sizes: Or cut into parts of these sizes, which add up to the size of the axis.
        axis: The axis to cut; the last one by default.

    Inputs: `x`, any shape. Exactly one of `parts` and `sizes` is required.

    The outputs may share the memory of `x`. Source: ONNX Split, except that `parts` must divide the size.
    """

    category = "plain"
    is_view = True

    parts: int | None = None
    sizes: Sizes | None = None
    axis: Axis = -1

    def shape(self, x: TensorType) -> tuple[TensorType, ...]:
        axis = normal_axis(self.axis, x.rank)
        if (self.parts is None) == (self.sizes is None):
            raise OpError("needs either `parts` or `sizes`", attribute="parts")
        cuts = self._equal(x, axis) if self.sizes is None else self._listed(x, axis, self.sizes)
        return tuple(x.with_shape([*x.shape[:axis], size, *x.shape[axis + 1 :]]) for size in cuts)

    def _equal(self, x: TensorType, axis: int) -> Sizes:
        parts = self.parts or 0
        if not 1 <= parts <= MAX_PARTS:
            raise OpError(f"needs `parts` of 1 to {MAX_PARTS:,}, but got {parts}", attribute="parts")
        size = share(x.shape[axis], parts)
        if size is None:
            raise OpError(
                f"cannot cut axis {axis} of {shape_text(x.shape)} into {parts} equal parts: "
                f"{x.shape[axis]} is not a multiple of {parts}",
                at=[("x", axis)],
                attribute="parts",
                help="list the sizes of the parts: `sizes=[...]`",
            )
        return (size,) * parts

    def _listed(self, x: TensorType, axis: int, sizes: Sizes) -> Sizes:
        total: Dim | int = sum(sizes)
        if not sizes or any(size.compare(0) == -1 for size in sizes):
            raise OpError(f"needs `sizes` of at least 0, but got {shape_text(sizes)}", attribute="sizes")
        if not could_equal(total, x.shape[axis]):
            raise OpError(
                f"cannot cut axis {axis} of {shape_text(x.shape)} into {shape_text(sizes)}: "
                f"the sizes add up to {total}, not {x.shape[axis]}",
                at=[("x", axis)],
                attribute="sizes",
            )
        return sizes

    def forward(self, xp: Module, x: Array) -> tuple[Array, ...]:
        size, parts = x.shape[self.axis], self.parts or 1
        cuts = [size // parts] * parts if self.sizes is None else [int(n) for n in self.sizes]
        if sum(cuts) != size:
            raise DataError(f"cannot cut axis {self.axis} of size {size} into parts of {cuts}")
        return tuple(xp.split(x, list(accumulate(cuts))[:-1], axis=self.axis))

    def gradient(self, dy: Any, y: Any, x: Value) -> Value | None:
        parts = zip(dy, y, strict=True) if isinstance(dy, tuple) else [(dy, y)]
        flows: list[Value] = [part.zeros() if flow is None else flow for flow, part in parts]
        whole = flows[0].apply(Concat(self.axis), *flows[1:]) if len(flows) > 1 else flows[0]
        return whole.reshape(x.shape)  # the same sizes, with `n // parts * parts` for `n`

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(3), draw(2, 6))
        yield example(cls(2, axis=1), draw_ints(2, 4, 3))
        yield example(cls(sizes=sizes(1, 3, 0, 2)), draw(2, 6))
        yield example(cls(sizes=sizes(2, 1), axis=0), draw_bools(3, 2))
        yield example(cls(1), draw(3))
        yield example(cls(2), draw(0, 4))
        yield example(cls(2, axis=0), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1 of [2, 7] into 3 equal parts", cls(3), tensor("f32", 2, 7))
        yield bad("add up to 6, not 7", cls(sizes=sizes(2, 4)), tensor("f32", 2, 7))
        yield bad("add up to 6, not B", cls(sizes=sizes(2, 4)), tensor("f32", symbol("B")))
        yield bad("at least 0", cls(sizes=sizes(8, -1)), tensor("f32", 2, 7))
        yield bad("at least 0", cls(sizes=()), tensor("f32", 2, 7))
        yield bad("1 to 100,000, but got 0", cls(0), tensor("f32", 2, 7))
        yield bad("either", cls(), tensor("f32", 2, 7))
        yield bad("either", cls(2, sizes(1, 1)), tensor("f32", 2, 2))
        yield bad("axis 2", cls(2, axis=2), tensor("f32", 2, 2))
