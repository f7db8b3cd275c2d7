"""Gradients of adaptive pools, computed one axis after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
from netdsl.ops.contract.rules import need_float, same_dtype, sizes, spread
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import widen
from netdsl.ops.pool.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool, AdaptivePool, bins
from netdsl.types import TensorType, tensor


def _need_result(pool: AdaptivePool, dy: TensorType, x: TensorType) -> None:
    need_float(dy, "dy")
    same_dtype(dy, x, ("dy", "x"))
    expected = pool.shape(x)
    if expected != dy:
        raise OpError(f"needs `dy` {expected}, but got {dy}", at=["dy"])


def _columns(x: Array, axis: int) -> list[Array]:
    """The elements along an axis, which keeps size 1."""
    return [x[(*[slice(None)] * axis, slice(n, n + 1))] for n in range(x.shape[axis])]


@operator("adaptive_avg_pool_gradient", "dy", internal=True)
@immutable
class AdaptiveAvgPoolGradient(Op):
    """For each element, the sum of `dy / n` over the bins that contain it, where `n` is the size of the bin.

    Args:
        size: As in `adaptive_avg_pool`.
        sizes: The sizes of its input.

    Inputs: `dy` `[B, C, *size]`, floats.
    """

    category = "plain"

    size: Ints
    sizes: Sizes

    def shape(self, dy: TensorType) -> TensorType:
        x = dy.with_shape(self.sizes)
        _need_result(AdaptiveAvgPool(self.size), dy, x)
        return x

    def forward(self, xp: Module, dy: Array) -> Array:
        dx = widen(xp, dy)
        for axis, length in enumerate(map(int, self.sizes[2:]), start=2):
            whole = xp.zeros((*dx.shape[:axis], length, *dx.shape[axis + 1 :]), dtype=dx.dtype)
            for column, place in zip(_columns(dx, axis), bins(length, axis, dx.shape[axis]), strict=True):
                whole[place] += column / (place[-1].stop - place[-1].start)
            dx = whole
        return dx.astype(dy.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, inner: Value) -> Value:
        return dy.apply(AdaptiveAvgPool(self.size))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((2,), sizes(2, 2, 5, 3)), draw(2, 2, 2, 2))
        yield example(cls((3, 1), sizes(2, 2, 5, 3)), draw(2, 2, 3, 1))
        yield example(cls((4,), sizes(1, 2, 3)), draw(1, 2, 4))
        yield example(cls((2,), sizes(0, 2, 3)), draw(0, 2, 2))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs `dy` f32[1, 2, 3]", cls((3,), sizes(1, 2, 5)), tensor("f32", 1, 2, 2))


class _BinWinners:
    """The largest element of each bin: the first of equal ones, along each axis in turn."""

    def __init__(self, xp: Module, x: Array, parts: Sequence[int]) -> None:
        self.xp, self.lengths = xp, x.shape
        self.masks: dict[int, list[Array]] = {}
        for axis in reversed(range(2, x.ndim)):  # the last axis first, so that the first row wins a tie
            pieces = [x[place] for place in bins(x.shape[axis], axis, parts[axis - 2])]
            self.masks[axis] = [self._first(piece, axis) for piece in pieces]
            x = xp.concatenate([xp.max(piece, axis=axis, keepdims=True) for piece in pieces], axis=axis)

    def _first(self, x: Array, axis: int) -> Array:
        winners = self.xp.expand_dims(self.xp.argmax(x, axis=axis), axis)
        return self.xp.arange(x.shape[axis]).reshape(-1, *[1] * (x.ndim - 1 - axis)) == winners

    def spread(self, dy: Array) -> Array:
        """`dy` at the winners, 0 elsewhere."""
        for axis in range(2, dy.ndim):
            shape = (*dy.shape[:axis], self.lengths[axis], *dy.shape[axis + 1 :])
            whole = self.xp.zeros(shape, dtype=dy.dtype)
            places = bins(self.lengths[axis], axis, dy.shape[axis])
            for column, mask, place in zip(_columns(dy, axis), self.masks[axis], places, strict=True):
                whole[place] += column * mask
            dy = whole
        return dy

    def pick(self, x: Array) -> Array:
        """The elements of `x` at the winners."""
        for axis in reversed(range(2, x.ndim)):
            masks = self.masks[axis]
            places = bins(x.shape[axis], axis, len(masks))
            pieces = [
                self.xp.sum(x[place] * mask, axis=axis, keepdims=True)
                for place, mask in zip(places, masks, strict=True)
            ]
            x = self.xp.concatenate(pieces, axis=axis)
        return x


@operator("adaptive_max_pool_gradient", "dy", "x", internal=True)
@immutable
class AdaptiveMaxPoolGradient(Op):
    """`dy` added at the largest element of each bin, the first of equal ones; 0 elsewhere.

    Args:
        size: As in `adaptive_max_pool`.

    Inputs: `dy` `[B, C, *size]`; `x`, the input of the pool; floats of one element type.
    """

    category = "plain"

    size: Ints

    def shape(self, dy: TensorType, x: TensorType) -> TensorType:
        _need_result(AdaptiveMaxPool(self.size), dy, x)
        return x

    def forward(self, xp: Module, dy: Array, x: Array) -> Array:
        winners = _BinWinners(xp, widen(xp, x), dy.shape[2:])
        return winners.spread(widen(xp, dy)).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, inner: Value, x: Value) -> tuple[Value, None]:
        return dy.apply(AdaptiveMaxPoolPick(self.size), x), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((2,)), draw(2, 2, 2, 2), draw(2, 2, 5, 3))
        yield example(cls((3, 1)), draw(2, 2, 3, 1), draw(2, 2, 5, 3))
        yield example(cls((2,)), draw(0, 2, 2), draw(0, 2, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs `dy` f32[1, 2, 3]", cls((3,)), tensor("f32", 1, 2, 2), tensor("f32", 1, 2, 5))


@operator("adaptive_max_pool_pick", "values", "x", internal=True)
@immutable
class AdaptiveMaxPoolPick(Op):
    """For each bin of `x` the element of `values` where `x` is largest, the first of equal ones.

    Args:
        size: As in `adaptive_max_pool`.

    Inputs: `values` and `x`, floats of one type and shape.
    """

    category = "plain"

    size: Ints

    def shape(self, values: TensorType, x: TensorType) -> TensorType:
        if values != x:
            raise OpError(
                f"needs `values` to have the type of `x`, but got {values} and {x}", at=["values", "x"]
            )
        return AdaptiveMaxPool(self.size).shape(x)

    def forward(self, xp: Module, values: Array, x: Array) -> Array:
        winners = _BinWinners(xp, widen(xp, x), spread(self.size, x.ndim - 2, "size"))
        return winners.pick(widen(xp, values)).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, values: Value, x: Value) -> tuple[Value, None]:
        return dy.apply(AdaptiveMaxPoolGradient(self.size), x), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((2,)), draw(2, 2, 5, 3), draw(2, 2, 5, 3))
        yield example(cls((3, 1)), draw(2, 2, 5, 3), draw(2, 2, 5, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("the type of `x`", cls((2,)), tensor("f32", 1, 2, 3), tensor("f32", 1, 2, 4))
