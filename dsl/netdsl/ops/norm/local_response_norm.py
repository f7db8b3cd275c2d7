"""Local response normalisation and its gradient."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.dims import Dim, dim
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_float, need_rank, same_dtype
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import widen
from netdsl.ops.shape.pad import Pad
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType, tensor


def neighbour_sums(xp: Module, x: Array, before: int, after: int) -> Array:
    """For each channel of `[N, C, ...]`, the sum from `before` channels before it to `after` after it."""
    total = x.copy()
    for step in range(1, min(after, x.shape[1] - 1) + 1):
        total[:, :-step] += x[:, step:]
    for step in range(1, min(before, x.shape[1] - 1) + 1):
        total[:, step:] += x[:, :-step]
    return total


@operator("local_response_norm", "x")
@immutable
class LocalResponseNorm(Op):
    """`x / (k + alpha / size * s) ** beta`, where `s` sums `x²` over `size` neighbouring channels.

    The window of channel `c` runs from `c - floor((size - 1) / 2)` to `c + ceil((size - 1) / 2)`, but is
    cut at the first and the last channel.

    Args:
        size: The number of channels that a window spans.
        alpha: The scale of the mean square.
        beta: The exponent.
        k: Added to the scaled mean square, above 0.

    Inputs: `x`, floats `[N, C, ...]`. f16 is computed in f32.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification", NIPS 2012; ONNX LRN.
    """

    category = "norm"

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        need_rank(x, 2, layout="[N, C, ...]")
        if self.size < 1:
            raise OpError(f"needs `size` of at least 1, but got {self.size}", attribute="size")
        if not self.k > 0:
            raise OpError(f"needs `k` above 0, but got {self.k}", attribute="k")
        if not self.alpha >= 0:
            raise OpError(f"needs `alpha` of at least 0, but got {self.alpha}", attribute="alpha")
        return x

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *range(1, y.rank))

    def cost(self, x: TensorType) -> Dim:
        return x.size * self.size

    def forward(self, xp: Module, x: Array) -> Array:
        wide = widen(xp, x)
        total = neighbour_sums(xp, xp.square(wide), (self.size - 1) // 2, self.size // 2)
        scale = (self.k + self.alpha / self.size * total) ** self.beta
        return xp.asarray(wide / scale).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(LocalResponseNormGradient(self.size, self.alpha, self.beta, self.k), x)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 7, 3, 4))
        yield example(cls(3, 0.5, 0.5, 2.0), draw(2, 5, 3, 4, low=-3, high=3))
        yield example(cls(4, 0.5), draw(2, 6, 3, 2, low=-3, high=3))
        yield example(cls(9, 1.0), draw(1, 3, 2, 2))
        yield example(cls(1, 1.0), draw(1, 3, 2, 2))
        yield example(cls(), draw(0, 3, 2, 2))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("[N, C, ...]", cls(), tensor("f32", 3))
        yield bad("floating-point", cls(), tensor("i32", 2, 3))
        yield bad("at least 1, but got 0", cls(0), x)
        yield bad("`k` above 0", cls(k=0.0), x)
        yield bad("`alpha` of at least 0", cls(alpha=-1.0), x)


@operator("local_response_norm_gradient", "dy", "x", internal=True)
@immutable
class LocalResponseNormGradient(Op):
    """`dy * s ** -beta - 2 * alpha * beta / size * x * t`, where `x / s ** beta` is the result.

    `t` sums `dy * x * s ** (-beta - 1)` over the channels whose windows contain a channel.

    Args:
        size, alpha, beta, k: As in `local_response_norm`.

    Inputs: `dy` and `x`, floats `[N, C, ...]` of one shape.
    """

    category = "plain"

    size: int
    alpha: float
    beta: float
    k: float

    def shape(self, dy: TensorType, x: TensorType) -> TensorType:
        need_float(x)
        same_dtype(dy, x, ("dy", "x"))
        if dy.shape != x.shape:
            raise OpError(f"needs `dy` shaped as `x`, but got {dy} and {x}", at=["dy", "x"])
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
    """`neighbour_sums` as simple operators: slices of the channels with zeros around them."""
    last = x.rank - 1
    padded = x.transpose((0, *range(2, x.rank), 1)).apply(Pad((before,), (after,)))
    total = padded.apply(Slice(last, dim(0), x.shape[1]))
    for step in range(1, before + after + 1):
        total = total + padded.apply(Slice(last, dim(step), x.shape[1] + step))
    return total.transpose((0, last, *range(1, last)))
