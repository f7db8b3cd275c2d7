"""The declarations of recipes agree with what carries them out: blocks of the language, and classes."""

from __future__ import annotations

import pytest

from netdsl.modules import LOSSES_FILE, METRICS_FILE, std_module
from netdsl.recipes import LOSSES, METRICS, RECIPES, Recipe, RecipeError
from netdsl.recipes.limits import COUNT, LENGTH, NOT_NEGATIVE, SHARE, Bound
from netruntime.train.update.clipping import CLIPS
from netruntime.train.update.optimizers import OPTIMIZERS
from netruntime.train.update.regularisers import REGULARISERS
from netruntime.train.update.schedules import SCHEDULES

EVERY_RECIPE = [
    pytest.param(recipe, id=f"{setting}-{name}")
    for setting, recipes in RECIPES.items()
    for name, recipe in recipes.items()
]


@pytest.mark.parametrize(
    ("file", "limits"),
    [(LOSSES_FILE, LOSSES), (METRICS_FILE, {name: metric.limits for name, metric in METRICS.items()})],
)
def test_each_limit_is_of_an_option_of_a_block(file: str, limits: dict[str, dict[str, object]]) -> None:
    blocks = std_module(file).blocks
    for name, options in limits.items():
        assert set(options) <= {param.name.text for param in blocks[name].statics}, name


@pytest.mark.parametrize(
    ("setting", "classes"),
    [
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("clip", CLIPS),
        ("regularise", REGULARISERS),
    ],
)
def test_each_recipe_is_carried_out(setting: str, classes: dict[str, type[Recipe]]) -> None:
    assert list(classes) == list(RECIPES[setting])
    for name, recipe in RECIPES[setting].items():
        assert issubclass(classes[name], recipe)


@pytest.mark.parametrize("recipe", EVERY_RECIPE)
def test_defaults_are_within_their_limits(recipe: type[Recipe]) -> None:
    recipe()


@pytest.mark.parametrize("recipe", EVERY_RECIPE)
def test_each_number_below_its_range_is_refused(recipe: type[Recipe]) -> None:
    for name, argument in recipe.arguments().items():
        if isinstance(argument.limit, Bound):
            with pytest.raises(RecipeError) as caught:
                recipe.from_arguments({name: argument.limit.low - 1})
            assert caught.value.argument == name and caught.value.code == "E1080"


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        (NOT_NEGATIVE, [0, 1e30], [-1e-30, float("inf"), float("nan")]),
        (SHARE, [0, 0.999], [1, -0.1]),
        (COUNT, [0, 3, 3.0], [0.5, -1, float("inf")]),
        (LENGTH, [1], [0, 1.5]),
    ],
)
def test_bounds(bound: Bound, inside: list[float], outside: list[float]) -> None:
    assert [bound.refusal(value) for value in inside] == [None] * len(inside)
    assert [bound.refusal(value) for value in outside] == [bound.text] * len(outside)
    assert bound.refusal(True) is not None and bound.refusal("1") is not None
