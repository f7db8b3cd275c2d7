"""What is done to gradients and to groups of weights: clips, regularisers, rates of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netdsl.recipes.limits import NOT_NEGATIVE, POSITIVE
from netdsl.recipes.recipe import Recipe, number, optional_number


@dataclass(frozen=True, kw_only=True)
class ClipRecipe(Recipe):
    """A bound on gradients."""

    limit: float = number(1.0, POSITIVE)


@dataclass(frozen=True, kw_only=True)
class NormClipRecipe(ClipRecipe):
    """Gradients are scaled down together where their norm is above `limit`."""


@dataclass(frozen=True, kw_only=True)
class ValueClipRecipe(ClipRecipe):
    """Every element is brought into [-limit, limit]."""


@dataclass(frozen=True, kw_only=True)
class RegulariserRecipe(Recipe):
    """A penalty on weights, added to the loss."""

    strength: float = number(0.01, NOT_NEGATIVE)


@dataclass(frozen=True, kw_only=True)
class L1Recipe(RegulariserRecipe):
    """`strength Σ|w|`."""


@dataclass(frozen=True, kw_only=True)
class L2Recipe(RegulariserRecipe):
    """`strength Σw²`."""


@dataclass(frozen=True, kw_only=True)
class GroupRecipe(Recipe):
    """A rate and a decay in place of the optimizer's.

    Args:
        lr: The learning rate; the schedule's factor applies to it too.
        weight_decay: λ.
    """

    lr: float | None = optional_number(NOT_NEGATIVE)
    weight_decay: float | None = optional_number(NOT_NEGATIVE)


CLIPS: Mapping[str, type[ClipRecipe]] = {"norm": NormClipRecipe, "value": ValueClipRecipe}
REGULARISERS: Mapping[str, type[RegulariserRecipe]] = {"l1": L1Recipe, "l2": L2Recipe}
GROUPS: Mapping[str, type[GroupRecipe]] = {"adjust": GroupRecipe}
