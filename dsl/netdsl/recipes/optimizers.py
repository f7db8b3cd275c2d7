"""The optimizers: their arguments, defaults and ranges."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.immutable import immutable
from netdsl.recipes.limits import NOT_NEGATIVE, SHARE, written
from netdsl.recipes.recipe import Recipe, RecipeError, fixed, number, switch


@immutable(kw_only=True)
class OptimizerRecipe(Recipe):
    """The arguments of all optimizers.

    Args:
        lr: The learning rate, before the factor of the schedule.
        weight_decay: λ. It adds λw to the gradient (the penalty λ/2 w²), or, if `decoupled`, subtracts
            lr·λ·w from the weight (Loshchilov and Hutter, "Decoupled Weight Decay
            Regularization", 2019).
        decoupled: Which of the two; fixed for optimizers whose definition fixes it.
        decay_vectors: Whether weights of rank 0 and 1 (biases, the scales of normalisations) decay too.
    """

    lr: float = number(1e-3, NOT_NEGATIVE)
    weight_decay: float = number(0.0, NOT_NEGATIVE, last=True)
    decoupled: bool = switch(False, last=True)
    decay_vectors: bool = switch(True, last=True)


@immutable(kw_only=True)
class SGDRecipe(OptimizerRecipe):
    """Gradient descent, with momentum."""

    lr: float = number(1e-2, NOT_NEGATIVE)
    momentum: float = number(0.0, SHARE)
    nesterov: bool = switch(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            problem = f"is {written(self.momentum)}, but must be above 0 with nesterov"
            raise RecipeError("momentum", problem, "give a momentum, such as `momentum=0.9`")


@immutable(kw_only=True)
class AdaGradRecipe(OptimizerRecipe):
    """Rates that fall with the sum of the squared gradients of each element."""

    lr: float = number(1e-2, NOT_NEGATIVE)
    eps: float = number(1e-10, NOT_NEGATIVE)


@immutable(kw_only=True)
class RMSPropRecipe(OptimizerRecipe):
    """Gradients divided by the root of the moving average of their squares."""

    lr: float = number(1e-2, NOT_NEGATIVE)
    decay: float = number(0.99, SHARE)
    eps: float = number(1e-8, NOT_NEGATIVE)
    momentum: float = number(0.0, SHARE)


@immutable(kw_only=True)
class AdaDeltaRecipe(OptimizerRecipe):
    """RMSProp with steps in the units of the weights."""

    lr: float = number(1.0, NOT_NEGATIVE)
    decay: float = number(0.9, SHARE)
    eps: float = number(1e-6, NOT_NEGATIVE)


@immutable(kw_only=True)
class AdamRecipe(OptimizerRecipe):
    """Moving averages of the gradient and of its square, corrected for their bias towards zero."""

    beta1: float = number(0.9, SHARE)
    beta2: float = number(0.999, SHARE)
    eps: float = number(1e-8, NOT_NEGATIVE)


@immutable(kw_only=True)
class AdamWRecipe(AdamRecipe):
    """Adam with decoupled weight decay."""

    weight_decay: float = number(1e-2, NOT_NEGATIVE, last=True)
    decoupled: bool = fixed(True)


@immutable(kw_only=True)
class NAdamRecipe(AdamRecipe):
    """Adam with Nesterov's momentum."""

    lr: float = number(2e-3, NOT_NEGATIVE)


@immutable(kw_only=True)
class LAMBRecipe(AdamRecipe):
    """Adam for large batches: each weight's step is scaled to its norm."""

    eps: float = number(1e-6, NOT_NEGATIVE)
    weight_decay: float = number(1e-2, NOT_NEGATIVE, last=True)
    decoupled: bool = fixed(True)


@immutable(kw_only=True)
class LionRecipe(OptimizerRecipe):
    """Steps of fixed size, in the direction of the sign of a moving average."""

    lr: float = number(1e-4, NOT_NEGATIVE)
    beta1: float = number(0.9, SHARE)
    beta2: float = number(0.99, SHARE)
    decoupled: bool = fixed(True)


OPTIMIZERS: Mapping[str, type[OptimizerRecipe]] = {
    "sgd": SGDRecipe,
    "adagrad": AdaGradRecipe,
    "rmsprop": RMSPropRecipe,
    "adadelta": AdaDeltaRecipe,
    "adam": AdamRecipe,
    "adamw": AdamWRecipe,
    "nadam": NAdamRecipe,
    "lamb": LAMBRecipe,
    "lion": LionRecipe,
}
DEFAULT_OPTIMIZER = "adam"
"""The optimizer of a section without one."""
