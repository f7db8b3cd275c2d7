"""The schedules: their arguments, defaults and ranges. All lengths are in steps (updates)."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.immutable import immutable
from netdsl.recipes.limits import COUNT, FACTOR, FRACTION, LENGTH, NOT_NEGATIVE
from netdsl.recipes.recipe import Recipe, number, optional_number


@immutable(kw_only=True)
class ConstantRecipe(Recipe):
    """The full rate, after a warm-up with a linear rise."""

    warmup: float = number(0, COUNT)


@immutable(kw_only=True)
class StepRecipe(Recipe):
    """The rate, multiplied by `factor` after every `every` steps; by default an epoch."""

    every: float | None = optional_number(LENGTH)
    factor: float = number(0.1, FACTOR)
    warmup: float = number(0, COUNT)


@immutable(kw_only=True)
class ExponentialRecipe(Recipe):
    """The rate falls smoothly by `factor` over every `every` steps; by default an epoch."""

    factor: float = number(0.95, FACTOR)
    every: float | None = optional_number(LENGTH)
    warmup: float = number(0, COUNT)


@immutable(kw_only=True)
class CosineRecipe(Recipe):
    """Half a cosine from the full rate to the fraction `final` of it."""

    warmup: float = number(0, COUNT)
    final: float = number(0.0, FRACTION)


@immutable(kw_only=True)
class LinearRecipe(Recipe):
    """A straight line from the full rate to the fraction `final` of it."""

    warmup: float = number(0, COUNT)
    final: float = number(0.0, FRACTION)


@immutable(kw_only=True)
class OneCycleRecipe(Recipe):
    """Up in `warmup` steps, by default 3/10 of the run, then down to the fraction `final` of the rate."""

    warmup: float | None = optional_number(COUNT)
    final: float = number(4e-6, FRACTION)


@immutable(kw_only=True)
class NoamRecipe(Recipe):
    """The schedule of "Attention Is All You Need"; `size` is the number of features of the model."""

    warmup: float = number(4000, LENGTH)
    size: float = number(512, LENGTH)


@immutable(kw_only=True)
class PlateauRecipe(Recipe):
    """The rate, multiplied by `factor` when the loss has not improved for more than `patience` epochs."""

    factor: float = number(0.1, FACTOR)
    patience: float = number(10, COUNT)
    threshold: float = number(1e-4, NOT_NEGATIVE)
    final: float = number(0.0, FRACTION)
    warmup: float = number(0, COUNT)


SCHEDULES: Mapping[str, type[Recipe]] = {
    "constant": ConstantRecipe,
    "step": StepRecipe,
    "exponential": ExponentialRecipe,
    "cosine": CosineRecipe,
    "linear": LinearRecipe,
    "one_cycle": OneCycleRecipe,
    "noam": NoamRecipe,
    "plateau": PlateauRecipe,
}
DEFAULT_SCHEDULE = "constant"
"""The schedule of a section without one."""
