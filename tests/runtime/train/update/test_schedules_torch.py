"""The schedules step by step next to PyTorch's.

`NETDSL_UPDATE=1 pytest tests/runtime/train/update/test_schedules_torch.py` records PyTorch's factors anew in
`tests/data/schedules_torch.json`, against which `test_schedules.py` compares where PyTorch is absent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from schedule_cases import CASES, LOSSES, TOTAL, our_factors, our_plateau

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
sched = torch.optim.lr_scheduler

GOLDEN = Path(__file__).parents[3] / "data" / "schedules_torch.json"

THEIRS: dict[str, Callable[[Any], Any]] = {
    "step": lambda o: sched.StepLR(o, 7, 0.5),
    "exponential": lambda o: sched.ExponentialLR(o, 0.9),
    "exponential epochs": lambda o: sched.LambdaLR(o, lambda step: 0.9 ** (step / 8)),
    "cosine": lambda o: sched.CosineAnnealingLR(o, TOTAL, 0.1),
    "linear": lambda o: sched.LinearLR(o, 1.0, 0.2, TOTAL),
    "one_cycle": lambda o: sched.OneCycleLR(o, 1.0, TOTAL),
    "one_cycle warmup": lambda o: sched.OneCycleLR(o, 1.0, TOTAL, pct_start=10 / TOTAL, final_div_factor=4.0),
    "constant warmup": lambda o: sched.LinearLR(o, 1 / 6, 1.0, 5),
    "cosine warmup": lambda o: sched.SequentialLR(
        o, [sched.LinearLR(o, 1 / 6, 1.0, 5), sched.CosineAnnealingLR(o, TOTAL - 5)], [5]
    ),
    "linear warmup": lambda o: sched.SequentialLR(
        o, [sched.LinearLR(o, 1 / 6, 1.0, 5), sched.LinearLR(o, 1.0, 0.0, TOTAL - 5)], [5]
    ),
    "step warmup": lambda o: sched.SequentialLR(
        o, [sched.LinearLR(o, 1 / 6, 1.0, 5), sched.StepLR(o, 7, 0.5)], [5]
    ),
}


def optimizer() -> Any:
    return torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=1.0)


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def torch_factors(case: str) -> list[float]:
    theirs = optimizer()
    schedule = THEIRS[case](theirs)
    factors = []
    for _ in range(TOTAL):
        factors.append(float(theirs.param_groups[0]["lr"]))
        theirs.step()
        schedule.step()
    return factors


def torch_plateau() -> list[float]:
    theirs = optimizer()
    schedule = sched.ReduceLROnPlateau(theirs, factor=0.5, patience=2, min_lr=0.1)
    factors = []
    for loss in LOSSES:
        schedule.step(loss)
        factors.append(float(theirs.param_groups[0]["lr"]))
    return factors


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_every_factor_is_that_of_torch(case: str) -> None:
    np.testing.assert_allclose(our_factors(case), torch_factors(case), rtol=1e-9, atol=1e-12)


def test_plateau_is_that_of_torch() -> None:
    np.testing.assert_allclose(our_plateau(), torch_plateau(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*:UserWarning")
def test_the_recorded_factors_are_those_of_torch() -> None:
    factors = {case: torch_factors(case) for case in CASES} | {"plateau": torch_plateau()}
    if os.environ.get("NETDSL_UPDATE") == "1":
        GOLDEN.write_text(json.dumps(factors, indent=0) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert set(golden) == set(factors)
    for case, values in factors.items():
        np.testing.assert_allclose(golden[case], values, rtol=1e-12)
