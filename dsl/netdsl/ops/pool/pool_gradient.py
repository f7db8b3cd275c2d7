"""Gradients of pools, computed one axis after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import could_equal, need_float, same_dtype, sizes
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import row_blocks, widen
from netdsl.ops.numerics.windows import Windows
from netdsl.ops.pool.pool import AvgPool, MaxPool, Pool, lowest, reduce_windows
from netdsl.types import TensorType, shape_text, tensor


def _need_result(pool: Pool, dy: TensorType, x: TensorType) -> None:
    """Raise `OpError` if `dy` is not shaped as the result of `pool` for `x`."""
    need_float(dy, "dy")
    same_dtype(dy, x, ("dy", "x"))
    expected = pool.shape(x)
    if dy.rank != expected.rank or not all(map(could_equal, dy.shape, expected.shape)):
        raise OpError(f"needs `dy` of shape {shape_text(expected.shape)}, but got {dy}", at=["dy"])


def _places(placement: Windows, axis: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Indices of the first elements of all windows along a spatial axis, of the second ones, and so on."""
    step, gap = placement.stride[axis], placement.dilation[axis]
    for place in range(0, int(placement.size[axis]) * gap, gap):
        yield (*[slice(None)] * (2 + axis), slice(place, place + count * step, step))


def _spread(
    xp: Module, dy: Array, placement: Windows, axis: int, length: int, masks: Sequence[Array] | None = None
) -> Array:
    """`dy` added to every element of its windows along an axis of `length` elements.

    With `masks`, one for each position in a window, only where they are true.
    """
    shape = list(dy.shape)
    count, shape[2 + axis] = shape[2 + axis], length
    apart = placement.stride[axis] >= int(placement.reach(axis))
    whole = (xp.empty if apart and count * int(placement.size[axis]) == length else xp.zeros)(shape, dy.dtype)
    for n, place in enumerate(_places(placement, axis, count)):
        if not apart:
            whole[place] += dy if masks is None else dy * masks[n]
        elif masks is None:
            whole[place] = dy
        else:
            xp.multiply(dy, masks[n], out=whole[place])
    return whole


@operator("window_sum", "x", internal=True)
@immutable
class WindowSum(Pool):
    """The sum of each window, per channel; padding counts as zeros.

    Args:
        size, stride, pad, dilation, ceil_mode: As in `max_pool`.

    Inputs: `x` `[B, C, *space]`, floats. 16-bit floats are summed in f32.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        total = reduce_windows(xp, xp.add, widen(xp, x), self.windows(x.shape[2:]), 0)
        return total.astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(PoolSpread(self, x.shape))


@operator("pool_spread", "dy", internal=True)
@immutable
class PoolSpread(Op):
    """For each element of a pool's input, the sum of `dy` over the windows that contain it.

    Args:
        of: The pool. For `avg_pool`, `dy` is divided by the number of elements that count in each window.
        sizes: The sizes of the pool's input.

    Inputs: `dy`, floats, shaped as the result of the pool.
    """

    category = "plain"

    of: AvgPool | WindowSum
    sizes: Sizes

    def shape(self, dy: TensorType) -> TensorType:
        x = dy.with_shape(self.sizes)
        _need_result(self.of, dy, x)
        return x

    def forward(self, xp: Module, dy: Array) -> Array:
        batch, channels, *space = map(int, self.sizes)
        placement = self.of.windows(space)
        lengths, inside = placement.extents(space), placement.inside(space)
        flow = dy.reshape(batch * channels, 1, *dy.shape[2:])
        dx = xp.empty((batch * channels, 1, *space), dtype=dy.dtype)
        shares = (
            1 / self.of.numbers(xp, space, placement, widen(xp, flow)) if isinstance(self.of, AvgPool) else 1
        )
        for rows in row_blocks(xp, len(dx), dx[:1].nbytes):
            part = widen(xp, flow[rows]) * shares
            for axis, length in enumerate(lengths):
                part = _spread(xp, part, placement, axis, length)
            dx[rows] = part[(..., *inside)]
        return dx.reshape(batch, channels, *space)

    def gradient(self, dy: Value, y: Value, inner: Value) -> Value:
        return dy.apply(self.of).reshape(inner.shape)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        pools: list[AvgPool | WindowSum] = [
            AvgPool((2,)),
            AvgPool((3, 2), (2, 1), (1, 0), ceil_mode=True),
            WindowSum((3,), (2,), "same", (2,)),
            WindowSum((1,), (2,)),
        ]
        for pool in pools:
            x = tensor("f32", 2, 2, 6, 5)
            yield example(cls(pool, x.shape), draw(*(int(n) for n in pool.shape(x).shape)))
        yield example(cls(AvgPool((2,)), sizes(0, 2, 4)), draw(0, 2, 2))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("`dy` of shape [1, 2, 3]", cls(AvgPool((2,)), sizes(1, 2, 6)), tensor("f32", 1, 2, 4))


class _Winners:
    """The largest element of each window: the first of equal ones, along each axis in turn.

    Args:
        x: The padded array.
        counts: The number of windows along each axis.
    """

    def __init__(self, xp: Module, x: Array, placement: Windows, counts: Sequence[int]) -> None:
        self.xp, self.placement, self.lengths = xp, placement, x.shape[2:]
        self.masks: list[list[Array]] = [[] for _ in counts]
        """For each axis and position in the window: whether that position has the largest element."""
        for axis in reversed(range(len(counts))):  # the last axis first, so that the first row wins a tie
            x = self._reduce(x, axis, counts[axis])

    def _reduce(self, x: Array, axis: int, count: int) -> Array:
        pieces = (self.xp.ascontiguousarray(x[place]) for place in _places(self.placement, axis, count))
        best = next(pieces)
        masks: list[Array] = []
        for piece in pieces:
            better = piece > best
            masks = [mask > better for mask in masks] + [better] if masks else [~better, better]
            best = self.xp.maximum(best, piece)
        self.masks[axis] = masks or [self.xp.ones(best.shape, dtype=bool)]
        return best

    def spread(self, dy: Array) -> Array:
        """`dy` at the winners, 0 elsewhere."""
        for axis, masks in enumerate(self.masks):
            dy = _spread(self.xp, dy, self.placement, axis, self.lengths[axis], masks)
        return dy

    def pick(self, x: Array) -> Array:
        """The elements of `x` at the winners."""
        for axis, masks in reversed(list(enumerate(self.masks))):
            places = _places(self.placement, axis, masks[0].shape[2 + axis])
            parts = [x[place] * mask for place, mask in zip(places, masks, strict=True)]
            x = sum(parts[1:], parts[0])
        return x


@immutable
class _OfMaxPool(Op):
    """Base of operators on the largest elements of each window of a pool."""

    of: MaxPool


@operator("max_pool_gradient", "dy", "x", internal=True)
@immutable
class MaxPoolGradient(_OfMaxPool):
    """`dy` added at the largest element of each window, the first of equal ones; 0 elsewhere.

    Args:
        of: The pool.

    Inputs: `dy`, shaped as the result of the pool; `x`, its input; floats of one element type.
    """

    category = "plain"

    def shape(self, dy: TensorType, x: TensorType) -> TensorType:
        _need_result(self.of, dy, x)
        return x

    def forward(self, xp: Module, dy: Array, x: Array) -> Array:
        placement = self.of.windows(x.shape[2:])
        counts, inside = placement.fixed_counts(x.shape[2:]), placement.inside(x.shape[2:])
        rows_x, rows_dy = _channels(x), _channels(dy)
        dx = xp.empty(rows_x.shape, dtype=x.dtype)
        for rows in row_blocks(xp, len(dx), dx[:1].nbytes):
            padded = placement.padded(xp, widen(xp, rows_x[rows]), lowest(xp, rows_x))
            winners = _Winners(xp, padded, placement, counts)
            dx[rows] = winners.spread(widen(xp, rows_dy[rows]))[(..., *inside)]
        return dx.reshape(x.shape)

    def gradient(self, dy: Value, y: Value, inner: Value, x: Value) -> tuple[Value, None]:
        return dy.apply(MaxPoolPick(self.of), x).reshape(inner.shape), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for pool in _max_pools():
            x = tensor("f32", 2, 2, 6, 5)
            yield example(cls(pool), draw(*(int(n) for n in pool.shape(x).shape)), draw(2, 2, 6, 5))
        yield example(cls(MaxPool((2,))), draw(0, 2, 2), draw(0, 2, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 1, 2, 6)
        yield bad("`dy` of shape [1, 2, 3]", cls(MaxPool((2,))), tensor("f32", 1, 2, 4), x)
        yield bad("f64 and f32", cls(MaxPool((2,))), tensor("f64", 1, 2, 3), x)


@operator("max_pool_pick", "values", "x", internal=True)
@immutable
class MaxPoolPick(_OfMaxPool):
    """For each window of `x` the element of `values` where `x` is largest, the first of equal ones.

    Args:
        of: The pool.

    Inputs: `values` and `x`, floats of one type and shape, valid for the pool.
    """

    category = "plain"

    def shape(self, values: TensorType, x: TensorType) -> TensorType:
        same_dtype(values, x, ("values", "x"))
        if values.shape != x.shape:
            raise OpError(f"needs `values` shaped as `x`, but got {values} and {x}", at=["values", "x"])
        return self.of.shape(x)

    def forward(self, xp: Module, values: Array, x: Array) -> Array:
        placement = self.of.windows(x.shape[2:])
        padded = placement.padded(xp, widen(xp, x), lowest(xp, x))
        winners = _Winners(xp, padded, placement, placement.fixed_counts(x.shape[2:]))
        return winners.pick(placement.padded(xp, widen(xp, values), 0)).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, values: Value, x: Value) -> tuple[Value, None]:
        return dy.apply(MaxPoolGradient(self.of), x), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for pool in _max_pools():
            yield example(cls(pool), draw(2, 2, 6, 5), draw(2, 2, 6, 5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 1, 2, 6)
        yield bad("`values` shaped as `x`", cls(MaxPool((2,))), tensor("f32", 1, 2, 4), x)


def _max_pools() -> list[MaxPool]:
    return [
        MaxPool((2,)),
        MaxPool((3,), (2,), (1,)),
        MaxPool((2, 3), (1, 2), "same", (2, 1)),
        MaxPool((3,), (2,), ceil_mode=True),
        MaxPool((1,), (2,)),
    ]


def _channels(x: Array) -> Array:
    """`[B * C, 1, *space]` from `[B, C, *space]`."""
    return x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[2:])
