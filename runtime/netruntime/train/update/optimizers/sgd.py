"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from netdsl.immutable import immutable
from netdsl.recipes.optimizers import SGDRecipe
from netruntime.train.update.optimizers.base import Optimizer, WeightBlock, subtract_scaled


@immutable(kw_only=True)
class SGD(SGDRecipe, Optimizer):
    """`v = momentum v + g; w -= lr v`; with `nesterov`, `w -= lr (g + momentum v)`.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
    with the learning rate outside the velocity, as in `torch.optim.SGD`.
    """

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, slots, a, _, _, lr = at
        if self.momentum:
            (velocity,) = slots
            velocity *= self.momentum
            velocity += g
            if self.nesterov:
                xp.multiply(velocity, self.momentum, out=a)
                a += g
            g = a if self.nesterov else velocity
        subtract_scaled(xp, w, g, lr, a)
