"""Sums over neighbouring channels, and what the gradient of local response normalisation runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.dims import Dim, dim
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    draw,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, same_dtype
from netdsl.ops.numerics.functions import widen
from netdsl.ops.shape.pad import Pad
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType, tensor

if TYPE_CHECKING:
    from netdsl.ops.contract.value import Value


def neighbour_sums(xp: Module, x: Array, before: int, after: int) -> Array:
    """For each channel of `[N, C, ...]` the sum from `before` channels in front of it to `after` behind."""
    total = x.copy()
    for step in range(1, min(after, x.shape[1] - 1) + 1):
        total[:, :-step] += x[:, step:]
    for step in range(1, min(before, x.shape[1] - 1) + 1):
        total[:, step:] += x[:, :-step]
    return total


@operator("local_response_norm_gradient", "dy", "x", internal=True)
@dataclass(frozen=True)
class LocalResponseNormGradient(Op):
    """`dy * s ** -beta - 2 * alpha * beta / size * x * t`, where `s` is what `x` is divided by a power of.

    `t` sums `dy * x * s ** (-beta - 1)` over the channels whose windows hold a channel.

    Args:
        size, alpha, beta, k: As in `local_response_norm`.

    Inputs: `dy` and `x`, floats `[N, C, ...]` of one shape.
    """

    size: int
    alpha: float
    beta: float
    k: float

    def shape(self, dy: TensorType, x: TensorType) -> TensorType:
        need_float(x)
        same_dtype(dy, x, ("dy", "x"))
        if dy.shape != x.shape:
            raise OpError(f"needs `dy` shaped as `x`, and gets {dy} and {x}", at=["dy", "x"])
        return x

    def cost(self, dy: TensorType, x: TensorType) -> Dim:
        return x.size * 2 * self.size

    @property
    def _sides(self) -> tuple[int, int]:
        return (self.size - 1) // 2, self.size // 2

    def forward(self, xp: Module, dy: Array, x: Array) -> Array:
        before, after = self._sides
        flow, wide = widen(xp, dy), widen(xp, x)
        base = neighbour_sums(xp, xp.square(wide), before, after) * (self.alpha / self.size) + self.k
        dx = flow * base**-self.beta
        spread = neighbour_sums(xp, dx * wide / base, after, before)
        spread *= wide
        spread *= 2 * self.alpha * self.beta / self.size
        dx -= spread
        return xp.asarray(dx).astype(x.dtype, copy=False)

    def in_parts(self, dy: Value, x: Value) -> Value:
        before, after = self._sides
        flow, wide = dy.widened(), x.widened()
        base = _neighbours(wide * wide, before, after) * (self.alpha / self.size) + self.k
        dx = flow * base**-self.beta
        spread = _neighbours(dx * wide / base, after, before)
        return (dx - wide * spread * (2 * self.alpha * self.beta / self.size)).cast(x.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 5, 3, low=-3, high=3)
        yield example(cls(5, 1e-4, 0.75, 1.0), draw(2, 5, 3), x)
        yield example(cls(4, 0.5, 0.5, 2.0), draw(2, 5, 3), x)
        yield example(cls(9, 1.0, 0.75, 1.0), draw(2, 5, 3), x)
        yield example(cls(1, 1.0, 0.75, 1.0), draw(0, 5, 3), draw(0, 5, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("shaped as `x`", cls(5, 1e-4, 0.75, 1.0), tensor("f32", 2, 3), tensor("f32", 2, 4))


def _neighbours(x: Value, before: int, after: int) -> Value:
    """`neighbour_sums` in simple operators: slices of the channels with zeros around them."""
    last = x.rank - 1
    padded = x.transpose((0, *range(2, x.rank), 1)).apply(Pad((before,), (after,)))
    total = padded.apply(Slice(last, dim(0), x.shape[1]))
    for step in range(1, before + after + 1):
        total = total + padded.apply(Slice(last, dim(step), x.shape[1] + step))
    return total.transpose((0, last, *range(1, last)))
