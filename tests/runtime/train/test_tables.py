"""The recipes that the language knows are those that the trainer has, with the same arguments."""

from __future__ import annotations

from typing import Any

import pytest

from netdsl.checker import settings
from netruntime.train.clipping import CLIPS
from netruntime.train.optimizers import OPTIMIZERS
from netruntime.train.regularisers import REGULARISERS
from netruntime.train.schedules import SCHEDULES

TABLES = {
    "optimizer": (settings.OPTIMIZERS, OPTIMIZERS),
    "schedule": (settings.SCHEDULES, SCHEDULES),
    "clip": (settings.CLIPS, CLIPS),
    "regularise": (settings.REGULARISERS, REGULARISERS),
}


@pytest.mark.parametrize("word", TABLES)
def test_the_tables_agree(word: str) -> None:
    known: Any
    made: Any
    known, made = TABLES[word]
    assert set(known) == set(made)
    for name, arguments in known.items():
        assert set(arguments) == set(made[name].arguments()), name
