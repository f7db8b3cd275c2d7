"""What the translation from other frameworks says that schedules and losses take is what they take."""

from __future__ import annotations

import pytest

from netdsl.arrivals.losses import LOSS_OPTIONS
from netdsl.arrivals.recipes import SCHEDULE_ARGUMENTS
from netdsl.modules import std_block
from netdsl.recipes import LOSSES, RECIPES


def test_schedules() -> None:
    takes = {name: tuple(recipe.arguments()) for name, recipe in RECIPES["schedule"].items()}
    assert takes == SCHEDULE_ARGUMENTS


@pytest.mark.parametrize("loss", LOSSES)
def test_options_of_losses(loss: str) -> None:
    block, _ = std_block(loss) or pytest.fail(f"there is no loss `{loss}`")
    options = [parameter.name.text for parameter in block.statics]
    assert set(LOSS_OPTIONS.get(loss, ())) <= set(options)
