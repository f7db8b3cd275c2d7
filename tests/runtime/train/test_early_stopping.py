"""Early stopping: patience in both directions, and its state."""

from __future__ import annotations

import json
import math

import pytest

from netdsl.recipes import RecipeError
from netruntime.errors import TrainingError
from netruntime.train.early_stopping import EarlyStopping


def stops_at(rule: EarlyStopping, values: list[float]) -> int | None:
    watch = rule.start()
    for n, value in enumerate(values):
        watch.observe(value)
        if watch.stop:
            return n
    return None


def test_it_stops_after_patience_values_without_improvement() -> None:
    values = [3.0, 2.0, 2.5, 2.0, 1.9, 2.0, 2.0, 2.0, 0.1]
    assert stops_at(EarlyStopping(patience=3), values) == 7
    assert stops_at(EarlyStopping(patience=2), values) == 3
    assert stops_at(EarlyStopping(patience=4), values) is None
    assert stops_at(EarlyStopping(patience=3, mode="max"), [-value for value in values]) == 7
    assert stops_at(EarlyStopping(patience=3, min_delta=0.2), values) == 4


def test_without_patience_it_never_stops() -> None:
    assert stops_at(EarlyStopping(patience=0), [1.0] * 100) is None


def test_what_is_not_finite_is_no_improvement() -> None:
    watch = EarlyStopping(patience=3).start()
    assert [watch.observe(value) for value in (math.nan, math.inf, 2.0, math.nan, -math.inf, 1.0)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    assert watch.best.value == 1.0


def test_it_goes_on_from_its_state() -> None:
    rule = EarlyStopping(patience=3)
    first = rule.start()
    for value in (2.0, 1.0, 1.5, 1.5):
        first.observe(value)
    second = rule.start()
    second.restore(json.loads(json.dumps(first.state())))
    assert not second.stop
    second.observe(1.2)
    assert second.stop and second.best.value == 1.0


def test_the_state_of_a_new_watch() -> None:
    watch = EarlyStopping().start()
    watch.restore(json.loads(json.dumps(watch.state())))
    assert watch.observe(5.0)


@pytest.mark.parametrize("state", [{}, {"best": 1.0}, {"best": "x", "bad": 0}])
def test_a_state_of_something_else(state: dict[str, float | None]) -> None:
    with pytest.raises(TrainingError, match="not a state of early stopping") as caught:
        EarlyStopping().start().restore(state)
    assert caught.value.code == "E1083"


def test_wrong_arguments() -> None:
    with pytest.raises(RecipeError, match=r"patience is 1\.5, but must be a non-negative integer"):
        EarlyStopping(patience=1.5)
    with pytest.raises(RecipeError, match='mode is "least", but must be `min` or `max`'):
        EarlyStopping(mode="least")  # type: ignore[arg-type]
