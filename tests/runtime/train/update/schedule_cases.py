"""The settings under which each schedule is compared with PyTorch's."""

from __future__ import annotations

import math

from netruntime.train.update.schedules import make_schedule

TOTAL = 40
PER_EPOCH = 8

CASES: dict[str, dict[str, float]] = {
    "step": {"every": 7, "factor": 0.5},
    "exponential": {"every": 1, "factor": 0.9},
    "exponential epochs": {"factor": 0.9},
    "cosine": {"final": 0.1},
    "linear": {"final": 0.2},
    "one_cycle": {},
    "one_cycle warmup": {"warmup": 10, "final": 0.01},
    "constant warmup": {"warmup": 5},
    "cosine warmup": {"warmup": 5},
    "linear warmup": {"warmup": 5},
    "step warmup": {"warmup": 5, "every": 7, "factor": 0.5},
}

LOSSES = [1.0, 0.9, 0.9, 0.89999, 0.95, 0.8, math.nan, 0.8, 0.8, 0.7, *[0.75] * 12, 0.1, *[0.2] * 9]
"""Losses of epochs: improvements, one smaller than the threshold, a NaN, and two long plateaus."""


def our_factors(case: str) -> list[float]:
    schedule = make_schedule(case.split()[0], CASES[case])
    return [schedule.multiplier(step, TOTAL, PER_EPOCH) for step in range(TOTAL)]


def our_plateau() -> list[float]:
    schedule = make_schedule("plateau", {"factor": 0.5, "patience": 2, "final": 0.1})
    factors = []
    for loss in LOSSES:
        schedule.observe(loss)
        factors.append(schedule.multiplier(len(factors), TOTAL, PER_EPOCH))
    return factors
