"""Recipes of training, declared once: the checker, the trainer and the documentation all read them here."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.recipes.gradients import CLIPS, GROUPS, REGULARISERS
from netdsl.recipes.losses import LOSSES
from netdsl.recipes.metrics import METRICS, Metric
from netdsl.recipes.optimizers import DEFAULT_OPTIMIZER, OPTIMIZERS
from netdsl.recipes.recipe import Argument, Recipe, RecipeError
from netdsl.recipes.runs import NUMBERS, RunSettings, SectionSettings
from netdsl.recipes.schedules import DEFAULT_SCHEDULE, SCHEDULES

RECIPES: Mapping[str, Mapping[str, type[Recipe]]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "clip": CLIPS,
    "regularise": REGULARISERS,
    "group": GROUPS,
}
"""The settings of a `train` section that name a recipe, and the recipes of each."""
NOUNS = {"regularise": "regulariser"}
"""The word for a recipe in messages, if it is not the name of its setting."""

__all__ = [
    "CLIPS",
    "DEFAULT_OPTIMIZER",
    "DEFAULT_SCHEDULE",
    "GROUPS",
    "LOSSES",
    "METRICS",
    "NOUNS",
    "NUMBERS",
    "OPTIMIZERS",
    "RECIPES",
    "REGULARISERS",
    "SCHEDULES",
    "Argument",
    "Metric",
    "Recipe",
    "RecipeError",
    "RunSettings",
    "SectionSettings",
]
