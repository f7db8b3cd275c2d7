"""Adam and its variants: AdamW, NAdam, LAMB."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array
from netdsl.recipes.optimizers import AdamRecipe, AdamWRecipe, LAMBRecipe, NAdamRecipe
from netruntime.train.update.array_blocks import blocks, fit_scratch, scratch, sum_squares
from netruntime.train.update.optimizers.base import (
    Optimizer,
    WeightBlock,
    blend,
    blend_square,
    subtract_scaled,
)


@immutable(kw_only=True)
class Adam(AdamRecipe, Optimizer):
    """`m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; w -= lr m̂ / (√v̂ + eps)`.

    `m̂ = m / (1 - beta1ᵗ)`, `v̂ = v / (1 - beta2ᵗ)`. Source: Kingma and Ba, "Adam: A Method for Stochastic
    Optimization", 2015; its defaults.
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, (m, v), a, _, step, lr = at
        self.moments(xp, g, m, v, a)
        self.divide(xp, m, v, step, a)
        subtract_scaled(xp, w, a, lr / (1 - self.beta1**step), a)

    def moments(self, xp: ModuleType, g: Array, m: Array, v: Array, scratch: Array) -> None:
        """The running averages of the gradient and of its square, in place."""
        blend(xp, m, g, self.beta1, scratch)
        blend_square(xp, v, g, self.beta2, scratch)

    def divide(self, xp: ModuleType, m: Array, v: Array, step: int, out: Array) -> None:
        """`out = m / (√v̂ + eps)`."""
        xp.sqrt(v, out=out)
        out *= 1 / math.sqrt(1 - self.beta2**step)
        out += self.eps
        xp.divide(m, out, out=out)


@immutable(kw_only=True)
class AdamW(AdamWRecipe, Adam):
    """Adam with decoupled weight decay, 0.01 by default.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """


@immutable(kw_only=True)
class NAdam(NAdamRecipe, Adam):
    """Adam with Nesterov's momentum: `m̂` looks one step ahead.

    `μₜ = beta1 (1 - 0.96^(0.004 t) / 2)` and `m̂ = μₜ₊₁ m / (1 - μ₁..μₜ₊₁) + (1 - μₜ) g / (1 - μ₁..μₜ)`.
    Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016; defaults of `torch.optim.NAdam`.
    """

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, (m, v), a, b, step, lr = at
        self.moments(xp, g, m, v, a)
        now, after = momentum_product(self.beta1, step), momentum_product(self.beta1, step + 1)
        self.divide(xp, g, v, step, a)
        subtract_scaled(xp, w, a, lr * (1 - _momentum(self.beta1, step)) / (1 - now), a)
        self.divide(xp, m, v, step, b)
        subtract_scaled(xp, w, b, lr * _momentum(self.beta1, step + 1) / (1 - after), b)


def _momentum(beta: float, step: int) -> float:
    """Dozat's schedule of the momentum."""
    return beta * (1 - 0.5 * math.pow(0.96, 0.004 * step))


@lru_cache(maxsize=64)
def momentum_product(beta: float, step: int) -> float:
    """`μ₁ μ₂ .. μₜ`; 0 if it is too small to change `1 - μ₁..μₜ`, which bounds the cost."""
    product = 1.0
    for t in range(1, step + 1):
        product *= _momentum(beta, t)
        if product < 1e-17:
            return 0.0
    return product


@immutable(kw_only=True)
class LAMB(LAMBRecipe, Adam):
    """Adam's direction with λw added, scaled by the ratio of the weight's norm to its own.

    `u = m̂ / (√v̂ + eps) + λ w; w -= lr ‖w‖ / ‖u‖ u`, and `w -= lr u` where either norm is 0. Source:
    You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020,
    algorithm 2 with φ(z) = z; λ = 0.01 and eps = 1e-6 as there.
    """

    def update_in_blocks(
        self,
        xp: ModuleType,
        weight: Array,
        grad: Array,
        slots: Sequence[Array],
        *,
        step: int,
        lr: float,
        decay: float,
    ) -> None:
        """Two passes: the norms are over the entire weight, so the directions are computed twice."""
        if not weight.size:
            return
        buffers = scratch(xp, weight, 2)
        square = None
        for w, g, m, v in blocks(xp, weight, grad, *slots):
            a, b = (fit_scratch(buffer, w) for buffer in buffers)
            self.moments(xp, g.astype(w.dtype, copy=False), m, v, a)
            self.direction(xp, w, m, v, (a, b), step=step, decay=decay)
            part = sum_squares(xp, a)
            square = part if square is None else square + part
        scale = (lr * _ratio(xp, sum_squares(xp, weight), square)).astype(weight.dtype)
        for w, m, v in blocks(xp, weight, *slots):
            a, b = (fit_scratch(buffer, w) for buffer in buffers)
            self.direction(xp, w, m, v, (a, b), step=step, decay=decay)
            subtract_scaled(xp, w, a, scale, a)

    def direction(
        self,
        xp: ModuleType,
        w: Array,
        m: Array,
        v: Array,
        scratch: tuple[Array, Array],
        *,
        step: int,
        decay: float,
    ) -> None:
        """`u`, into the first scratch array."""
        a, b = scratch
        self.divide(xp, m, v, step, a)
        a *= 1 / (1 - self.beta1**step)
        xp.multiply(w, decay, out=b)
        a += b


def _ratio(xp: ModuleType, own: Array, other: Array) -> Array:
    """The ratio of two norms, given their squares; 1 where one is 0. A scalar of the device."""
    ratio = xp.sqrt(xp.divide(own, other))
    return xp.where((ratio > 0) & (ratio < math.inf), ratio, 1.0)
