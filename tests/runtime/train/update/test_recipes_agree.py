"""The language's tables of recipes and the trainer's classes name the same arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from netdsl.checker.sections import settings
from netruntime.train.update.bounds import Checked
from netruntime.train.update.clipping import CLIPS
from netruntime.train.update.optimizers import OPTIMIZERS
from netruntime.train.update.regularisers import REGULARISERS
from netruntime.train.update.schedules import SCHEDULES


@pytest.mark.parametrize(
    ("language", "trainer"),
    [
        (settings.OPTIMIZERS, OPTIMIZERS),
        (settings.SCHEDULES, SCHEDULES),
        (settings.CLIPS, CLIPS),
        (settings.REGULARISERS, REGULARISERS),
    ],
    ids=["optimizers", "schedules", "clips", "regularisers"],
)
def test_recipes_agree(language: Mapping[str, tuple[str, ...]], trainer: Mapping[str, Any]) -> None:
    def arguments(kind: type[Checked]) -> set[str]:
        return set(kind.arguments())

    assert {name: set(taken) for name, taken in language.items()} == {
        name: arguments(kind) for name, kind in trainer.items()
    }
