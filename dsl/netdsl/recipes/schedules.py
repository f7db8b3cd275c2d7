"""The schedules: their arguments, defaults and ranges. All lengths are in steps (updates)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netdsl.recipes.limits import COUNT, FACTOR, FRACTION, LENGTH, NOT_NEGATIVE
from netdsl.recipes.recipe import Recipe, number, optional_number


@dataclass(frozen=True, kw_only=True)
class ConstantRecipe(Recipe):
    """The full rate after the warm-up, in which it rises linearly."""

    warmup: float = number(0, COUNT)


@dataclass(frozen=True, kw_only=True)
class StepRecipe(Recipe):
    """The rate times `factor` after each `every` steps; an epoch by default."""

    every: float | None = optional_number(LENGTH)
    factor: float = number(0.1, FACTOR)
    warmup: float = number(0, COUNT)


@dataclass(frozen=True, kw_only=True)
class ExponentialRecipe(Recipe):
    """The rate falls smoothly by `factor` over each `every` steps; an epoch by default."""

    factor: float = number(0.95, FACTOR)
    every: float | None = optional_number(LENGTH)
    warmup: float = number(0, COUNT)


@dataclass(frozen=True, kw_only=True)
class CosineRecipe(Recipe):
    """Half a cosine from the full rate to `final` of it."""

    warmup: float = number(0, COUNT)
    final: float = number(0.0, FRACTION)


@dataclass(frozen=True, kw_only=True)
class LinearRecipe(Recipe):
    """A straight line from the full rate to `final` of it."""

    warmup: float = number(0, COUNT)
    final: float = number(0.0, FRACTION)


@dataclass(frozen=True, kw_only=True)
class OneCycleRecipe(Recipe):
    """Up in `warmup` steps, three tenths of the run by default, then down to `final` of the rate."""

    warmup: float | None = optional_number(COUNT)
    final: float = number(4e-6, FRACTION)


@dataclass(frozen=True, kw_only=True)
class NoamRecipe(Recipe):
    """The schedule of "Attention Is All You Need"; `size` is that of the model's vectors."""

    warmup: float = number(4000, LENGTH)
    size: float = number(512, LENGTH)


@dataclass(frozen=True, kw_only=True)
class PlateauRecipe(Recipe):
    """The rate times `factor` when the loss has not improved for more than `patience` epochs."""

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
"""The schedule of a section that names none."""
