"""Lion: updates of constant magnitude, in the direction of a sign."""

from __future__ import annotations

from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.recipes.optimizers import LionRecipe
from netruntime.train.update.optimizers.base import Optimizer, WeightBlock, blend, subtract_scaled

_LEAST = {4: 2.0**-149, 8: 2.0**-1074}
"""The smallest positive numbers of f32 and f64, by item size in bytes."""


@immutable(kw_only=True)
class Lion(LionRecipe, Optimizer):
    """`w -= lr (sign(beta1 m + (1 - beta1) g) + λ w); m = beta2 m + (1 - beta2) g`.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2; its betas and
    rate. The paper advises a rate 3 to 10 times smaller, and a λ as much larger, than those of AdamW.
    """

    slots: ClassVar[tuple[str, ...]] = ("m",)

    def update_block(self, at: WeightBlock) -> None:
        xp, w, g, (m,), a, b, _, lr = at
        xp.multiply(m, self.beta1, out=a)
        xp.multiply(g, 1 - self.beta1, out=b)
        a += b
        # x / max(|x|, least) is the sign of x, without the branches of np.sign, which a CPU mispredicts here.
        xp.abs(a, out=b)
        xp.maximum(b, _LEAST[a.dtype.itemsize], out=b)
        a /= b
        subtract_scaled(xp, w, a, lr, a)
        blend(xp, m, g, self.beta2, b)
