"""Schedules against recorded factors of PyTorch and the formula of the paper, and their edges and states."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from schedule_cases import CASES, LOSSES, our_factors, our_plateau

from netruntime.errors import TrainingError
from netruntime.train.update.schedules import SCHEDULES, make_schedule

GOLDEN = json.loads((Path(__file__).parents[3] / "data" / "schedules_torch.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_factors_are_those_of_torch(case: str) -> None:
    np.testing.assert_allclose(our_factors(case), GOLDEN[case], rtol=1e-9, atol=1e-12)


def test_plateau_is_that_of_torch() -> None:
    np.testing.assert_allclose(our_plateau(), GOLDEN["plateau"], rtol=1e-12)
    assert len(set(our_plateau())) == 5


def test_noam_is_equation_3_of_vaswani_et_al() -> None:
    schedule = make_schedule("noam", {"size": 512, "warmup": 4000})
    for step_num in (1, 2, 1000, 3999, 4000, 4001, 100000):
        expected = 512**-0.5 * min(step_num**-0.5, step_num * 4000**-1.5)
        assert schedule.multiplier(step_num - 1, 100000, 1) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"noam", "one_cycle"}))
def test_a_warm_up_goes_before_every_schedule(name: str) -> None:
    plain, warmed = make_schedule(name, {}), make_schedule(name, {"warmup": 10})
    assert [warmed.multiplier(step, 110, 20) for step in range(10)] == [(step + 1) / 11 for step in range(10)]
    for step in range(100):
        assert warmed.multiplier(step + 10, 110, 20) == pytest.approx(
            plain.multiplier(step, 100, 20), rel=1e-14
        )


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("total", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [1, 5, 100])
def test_short_runs(name: str, total: int, warmup: int) -> None:
    for schedule in (make_schedule(name, {}), make_schedule(name, {"warmup": warmup})):
        factors = [schedule.multiplier(step, total, 1) for step in range(total + 5)]
        assert all(0 <= factor <= 1 for factor in factors)
        assert factors == [schedule.multiplier(step, total, 1) for step in range(total + 5)]


@pytest.mark.parametrize("name", ["cosine", "linear", "one_cycle"])
def test_beyond_its_end_a_schedule_stays_there(name: str) -> None:
    schedule = make_schedule(name, {"final": 0.25})
    assert [schedule.multiplier(step, 10, 2) for step in (10, 11, 20, 1000)] == pytest.approx([0.25] * 4)


def test_an_epoch_is_the_default_of_every() -> None:
    schedule = make_schedule("step", {"factor": 0.5})
    assert [schedule.multiplier(step, 100, 10) for step in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_plateau_goes_on_from_its_state() -> None:
    arguments = {"factor": 0.5, "patience": 2}
    whole = make_schedule("plateau", arguments)
    for cut in range(len(LOSSES)):
        schedule = make_schedule("plateau", arguments)
        for n, loss in enumerate(LOSSES):
            if n == cut:
                saved = json.loads(json.dumps(schedule.state()))
                schedule = make_schedule("plateau", arguments)
                schedule.restore(saved)
            schedule.observe(loss)
        if cut == 0:
            for loss in LOSSES:
                whole.observe(loss)
        assert schedule.state() == whole.state()


def test_an_infinite_first_loss_is_not_the_best() -> None:
    schedule = make_schedule("plateau", {"patience": 1, "factor": 0.5})
    for loss in (math.inf, 2.0, 1.0, 0.5):
        schedule.observe(loss)
    assert schedule.state() == {"best": 0.5, "bad": 0, "factor": 1.0}


def test_two_plateaus_do_not_share_their_state() -> None:
    first, second = (make_schedule("plateau", {"patience": 0}) for _ in range(2))
    first.observe(1.0)
    first.observe(1.0)
    assert (first.multiplier(0, 1, 1), second.multiplier(0, 1, 1)) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("name", "arguments", "code", "message"),
    [
        (
            "cosine",
            {"warmup": 2.5},
            "E1080",
            "`cosine`: warmup is 2.5, but must be a non-negative integer",
        ),
        (
            "cosine",
            {"warmup": math.inf},
            "E1080",
            "`cosine`: warmup is inf, but must be a non-negative integer",
        ),
        ("step", {"every": 0}, "E1080", "`step`: every is 0, but must be a positive integer"),
        ("step", {"factor": 0}, "E1080", "`step`: factor is 0, but must be in (0, 1]"),
        ("plateau", {"decay": 0.5}, "E1081", "`plateau` has no argument `decay`"),
        ("linear", {"final": 1.5}, "E1080", "`linear`: final is 1.5, but must be in [0, 1]"),
        ("cosin", {}, "E1081", "`cosin` is not a schedule"),
    ],
)
def test_wrong_arguments(name: str, arguments: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make_schedule(name, arguments)
    assert (caught.value.code, caught.value.diagnostics[0].message) == (code, message)


@pytest.mark.parametrize(
    ("name", "state"), [("plateau", {}), ("plateau", {"factor": 1}), ("cosine", {"best": 1.0})]
)
def test_a_state_of_another_schedule(name: str, state: dict[str, float | None]) -> None:
    with pytest.raises(TrainingError, match="not a state of") as caught:
        make_schedule(name, {}).restore(state)
    assert caught.value.code == "E1083"
