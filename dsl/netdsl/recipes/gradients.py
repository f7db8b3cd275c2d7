"""Recipes for gradients and groups of weights: clipping, regularisers, own learning rates."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.immutable import immutable
from netdsl.recipes.limits import NOT_NEGATIVE, POSITIVE
from netdsl.recipes.recipe import Recipe, number, optional_number


@immutable(kw_only=True)
class ClipRecipe(Recipe):
    """A bound on the gradients."""

    limit: float = number(1.0, POSITIVE)


@immutable(kw_only=True)
class NormClipRecipe(ClipRecipe):
    """All gradients are scaled down together if their global norm is above `limit`."""


@immutable(kw_only=True)
class ValueClipRecipe(ClipRecipe):
    """Every element is clipped to [-limit, limit]."""


@immutable(kw_only=True)
class RegulariserRecipe(Recipe):
    """A penalty on weights, added to the loss."""

    strength: float = number(0.01, NOT_NEGATIVE)


@immutable(kw_only=True)
class L1Recipe(RegulariserRecipe):
    """`strength Σ|w|`."""


@immutable(kw_only=True)
class L2Recipe(RegulariserRecipe):
    """`strength Σw²`."""


@immutable(kw_only=True)
class GroupRecipe(Recipe):
    """A learning rate and a weight decay that replace those of the optimizer.

    Args:
        lr: The learning rate; the schedule's factor applies to it too.
        weight_decay: λ.
    """

    lr: float | None = optional_number(NOT_NEGATIVE)
    weight_decay: float | None = optional_number(NOT_NEGATIVE)


CLIPS: Mapping[str, type[ClipRecipe]] = {"norm": NormClipRecipe, "value": ValueClipRecipe}
REGULARISERS: Mapping[str, type[RegulariserRecipe]] = {"l1": L1Recipe, "l2": L2Recipe}
GROUPS: Mapping[str, type[GroupRecipe]] = {"adjust": GroupRecipe}
