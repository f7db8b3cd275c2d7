"""Operators that slice an axis, reverse it, or rotate its elements."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from netdsl.dims import Dim, DimLike, dim, maximum, minimum, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axes,
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
from netdsl.ops.contract.rules import normal_axes, normal_axis
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import (
    AxisMap,
    InputMap,
    InputTypes,
    Positions,
    TimeAxis,
    TimeSlice,
    UnsupportedError,
    aligned_map,
    mixing_map,
)
from netdsl.ops.contract.value import Value
from netdsl.types import TensorType, tensor


def never_negative(size: Dim) -> bool:
    return size.compare(-1) == 1


def count(tops: Iterable[DimLike], bottoms: Iterable[DimLike], step: int) -> Dim:
    """The number of steps from the highest of `bottoms` to below the lowest of `tops`, at least 0."""
    bottoms = tuple(bottoms)
    steps = {(dim(top) - bottom + (step - 1)) // step for top in tops for bottom in bottoms}
    counts = {n if never_negative(n) else maximum(n, 0) for n in _least(steps)}
    return reduce(minimum, sorted(_least(counts), key=str))


def _least(sizes: set[Dim]) -> list[Dim]:
    """`sizes` without those that are at least as large as another one for all symbol values."""
    return [n for n in sizes if not any(n != other and never_negative(n - other) for other in sizes)]


def _from_front(position: Dim, size: Dim) -> Dim:
    """`position`, plus `size` where it is negative."""
    if never_negative(position):
        return position
    if position.compare(0) == -1:
        return position + size
    return position + size * minimum(1, maximum(-position, 0))


@operator("slice", "x")
@immutable
class Slice(Op):
    """Every `step`-th element of one axis, from `start` up to, but excluding, `stop`: `x[start:stop:step]`.

    Args:
        axis: The axis to cut.
        start: The first position; by default the first element, or the last for a negative `step`.
        stop: The end, which is excluded; by default the end in the direction of `step`.
        step: The distance between positions, not 0; negative goes backwards.

    Inputs: `x`, any shape. Negative positions count from the end, and positions out of range are
    clipped, as in Python.

    The result may share the memory of `x`. Source: ONNX Slice.
    """

    category = "plain"
    is_view = True

    axis: Axis
    start: Dim | None = None
    stop: Dim | None = None
    step: int = 1

    def shape(self, x: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        if self.step == 0:
            raise OpError("needs a nonzero `step`", attribute="step")
        return x.with_shape([*x.shape[:axis], self._length(x.shape[axis]), *x.shape[axis + 1 :]])

    def _length(self, size: Dim) -> Dim:
        start = [] if self.start is None else [_from_front(self.start, size)]
        stop = [] if self.stop is None else [_from_front(self.stop, size)]
        if self.step > 0:
            return count([*stop, size], [*start, 0], self.step)
        return count([*start, size - 1], [*stop, -1], -self.step)

    def forward(self, xp: Module, x: Array) -> Array:
        return x[_run(x.ndim, self.axis, self.start, self.stop, self.step)]

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        size = x.shape[self.axis]
        return dy.apply(SliceGradient(self.axis, size, self.start, self.stop, self.step))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        if self.depends_on(time.name) and positions[self.axis] is not Positions.NEW:
            raise UnsupportedError("its bounds depend on the number of positions")
        return self  # in a chunk, the symbol is the number of new positions

    def slides_along(self, xs: InputTypes, axis: int) -> bool:
        from_front = self.start is None or (self.start.is_fixed and self.start.value >= 0)
        return self.step == 1 and from_front

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0, dim(1), dim(3)), draw(5, 2))
        yield example(cls(1, stop=dim(-1)), draw_ints(2, 5))
        yield example(cls(-1, dim(-3)), draw(2, 5))
        yield example(cls(1, dim(1), dim(100), 2), draw(2, 6, 3))
        yield example(cls(0, step=-1), draw(5))
        yield example(cls(0, dim(-2), dim(0), -2), draw_bools(6))
        yield example(cls(0, dim(100), dim(-100), -3), draw(7))
        yield example(cls(0, dim(4), dim(2)), draw(5))
        yield example(cls(1, dim(1)), draw(0, 3))
        yield example(cls(0, dim(1)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("a nonzero `step`", cls(0, step=0), tensor("f32", 3))
        yield bad("axis 1", cls(1), tensor("f32", 3))


def _run(rank: int, axis: int, start: Dim | None, stop: Dim | None, step: int) -> tuple[slice, ...]:
    """The index that slices one axis of `rank`."""
    first, last = (None if end is None else int(end) for end in (start, stop))
    return (slice(None),) * (axis % rank) + (slice(first, last, step),)


@operator("slice_gradient", "dy", internal=True)
@immutable
class SliceGradient(Op):
    """`dy` at the positions that `slice` takes, and 0 elsewhere.

    Args:
        size: The size of the axis before it was cut; the other attributes are those of `slice`.

    Inputs: `dy`, shaped as the slice.
    """

    category = "plain"

    axis: Axis
    size: Dim
    start: Dim | None = None
    stop: Dim | None = None
    step: int = 1

    def shape(self, dy: TensorType) -> TensorType:
        axis = normal_axis(self.axis, dy.rank, at="dy")
        whole = dy.with_shape([*dy.shape[:axis], self.size, *dy.shape[axis + 1 :]])
        cut = self._slice.shape(whole)
        if cut != dy:
            raise OpError(f"needs `dy` shaped as the slice, {cut}, but got {dy}", at=["dy"])
        return whole

    @property
    def _slice(self) -> Slice:
        return Slice(self.axis, self.start, self.stop, self.step)

    def forward(self, xp: Module, dy: Array) -> Array:
        axis = self.axis % dy.ndim
        out = xp.zeros((*dy.shape[:axis], int(self.size), *dy.shape[axis + 1 :]), dtype=dy.dtype)
        out[_run(dy.ndim, axis, self.start, self.stop, self.step)] = dy
        return out

    def gradient(self, dy: Value, y: Value, inner: Value) -> Value:
        return dy.apply(self._slice)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0, dim(5), dim(1), dim(3)), draw(2, 2))
        yield example(cls(-1, dim(5), dim(-3)), draw(2, 3))
        yield example(cls(1, dim(6), dim(1), dim(100), 2), draw(2, 3, 2))
        yield example(cls(0, dim(6), dim(-2), dim(0), -2), draw(2))
        yield example(cls(0, dim(5), dim(4), dim(2)), draw(0))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("shaped as the slice", cls(0, dim(5), dim(1), dim(3)), tensor("f32", 3))
        yield bad("axis 1", cls(1, dim(5)), tensor("f32", 3))


@operator("flip", "x")
@immutable
class Flip(Op):
    """`x` reversed along the axes `over`.

    Args:
        over: The axes to reverse; an empty list means all.

    Inputs: `x`, any shape. The result may share its memory.

    Source: `numpy.flip`; ONNX Slice with a step of -1.
    """

    category = "plain"
    is_view = True

    over: Axes

    def shape(self, x: TensorType) -> TensorType:
        normal_axes(self.over, x.rank)
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.flip(x, normal_axes(self.over, x.ndim)) if x.ndim else x

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(self)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *normal_axes(self.over, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((0,)), draw(3))
        yield example(cls((-1, 0)), draw(2, 3, 4))
        yield example(cls(()), draw_ints(2, 3))
        yield example(cls(()), draw())
        yield example(cls((1,)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1", cls((1,)), tensor("f32", 3))
        yield bad("twice", cls((0, -1)), tensor("f32", 3))


@operator("roll", "x")
@immutable
class Roll(Op):
    """`x` rotated along `axis`: elements shifted past one end re-enter at the other.

    Args:
        shift: The number of positions to shift by; negative shifts towards the front.
        axis: The axis to shift along.

    Inputs: `x`, any shape: `y[i] = x[(i - shift) mod size]`.

    Source: `numpy.roll`; the cyclic shift of Liu et al., "Swin Transformer", ICCV 2021.
    """

    category = "plain"

    shift: int
    axis: Axis

    def shape(self, x: TensorType) -> TensorType:
        normal_axis(self.axis, x.rank)
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.roll(x, self.shift, axis=self.axis)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(Roll(-self.shift, self.axis))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(1, 0), draw(4))
        yield example(cls(-2, -1), draw(2, 5))
        yield example(cls(7, 1), draw_ints(2, 3, 2))
        yield example(cls(1, 0), draw(0, 3))
        yield example(cls(1, 1), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("axis 1", cls(1, 1), tensor("f32", symbol("T")))
