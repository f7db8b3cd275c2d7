"""Rates that adapt to each element by the squares of its gradients: AdaGrad, RMSProp, AdaDelta."""

from __future__ import annotations

from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.recipes.optimizers import AdaDeltaRecipe, AdaGradRecipe, RMSPropRecipe
from netruntime.train.update.optimizers.base import Optimizer, WeightBlock, blend_square, subtract_scaled


@immutable(kw_only=True)
class AdaGrad(AdaGradRecipe, Optimizer):
    """`s += g²; w -= lr g / (√s + eps)`.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", 2011; defaults of `torch.optim.Adagrad`.
    """

    slots: ClassVar[tuple[str, ...]] = ("sum",)

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, (total,), a, _, _, lr = at
        xp.multiply(g, g, out=a)
        total += a
        xp.sqrt(total, out=a)
        a += self.eps
        xp.divide(g, a, out=a)
        subtract_scaled(xp, w, a, lr, a)


@immutable(kw_only=True)
class RMSProp(RMSPropRecipe, Optimizer):
    """`s = decay s + (1 - decay) g²; v = momentum v + g / (√s + eps); w -= lr v`.

    Source: Tieleman and Hinton, "Lecture 6.5: rmsprop", 2012; defaults of `torch.optim.RMSprop`, where
    `decay` is called `alpha`.
    """

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "velocity") if self.momentum else ("square",)

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, slots, a, _, _, lr = at
        square = slots[0]
        blend_square(xp, square, g, self.decay, a)
        xp.sqrt(square, out=a)
        a += self.eps
        xp.divide(g, a, out=a)
        if self.momentum:
            velocity = slots[1]
            velocity *= self.momentum
            velocity += a
            subtract_scaled(xp, w, velocity, lr, a)
        else:
            subtract_scaled(xp, w, a, lr, a)


@immutable(kw_only=True)
class AdaDelta(AdaDeltaRecipe, Optimizer):
    """`s = decay s + (1 - decay) g²; u = √(d + eps) / √(s + eps) g; d = decay d + (1 - decay) u²; w -= lr u`.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012; defaults of
    `torch.optim.Adadelta`, where `decay` is called `rho`.
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "delta")

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, (square, delta), a, b, _, lr = at
        blend_square(xp, square, g, self.decay, a)
        xp.add(delta, self.eps, out=a)
        xp.sqrt(a, out=a)
        xp.add(square, self.eps, out=b)
        xp.sqrt(b, out=b)
        a /= b
        a *= g
        blend_square(xp, delta, a, self.decay, b)
        subtract_scaled(xp, w, a, lr, a)
