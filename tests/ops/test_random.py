"""Random operators: moments, distribution functions, reproducibility, and the ends of `p`."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest

from netdsl.ops.contract.base import Op
from netdsl.ops.contract.rules import sizes
from netdsl.ops.create.random import Bernoulli, Normal, Uniform
from netdsl.ops.elementwise.dropout import Dropout
from netdsl.types import DType

COUNT = 20_000


def run(op: Op, xp: Any, *arrays: Any, seed: int = 1) -> Any:
    y = op.forward(xp, *arrays, rng=xp.random.default_rng(seed))
    return y.get() if hasattr(y, "get") else y


def largest_gap(values: Any, distribution: Callable[[float], float]) -> float:
    """The Kolmogorov-Smirnov distance of a sample from a distribution function."""
    expected = np.array([distribution(v) for v in np.sort(values.astype(np.float64).ravel())])
    steps = np.arange(values.size + 1) / values.size
    return float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


BOUND = 1.95 / sqrt(COUNT)
"""A true sample of this size is farther away than this with probability 0.001."""


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64])
def test_normal_is_normal(dtype: DType, xp: Any) -> None:
    y = run(Normal(sizes(COUNT // 4, 4), 2.0, 0.5, dtype), xp)
    assert abs(y.mean() - 2) < 4 * 0.5 / sqrt(COUNT)
    assert abs(y.std() - 0.5) < 4 * 0.5 / sqrt(2 * COUNT)
    assert largest_gap(y, lambda v: (1 + erf((v - 2) / (0.5 * sqrt(2)))) / 2) < BOUND


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64])
def test_uniform_is_uniform(dtype: DType, xp: Any) -> None:
    y = run(Uniform(sizes(COUNT // 4, 4), -1.0, 3.0, dtype), xp)
    assert y.min() >= -1
    assert y.max() <= 3
    assert largest_gap(y, lambda v: (v + 1) / 4) < BOUND


def test_16_bit_floats_are_drawn_as_f32(xp: Any) -> None:
    for op in (Normal(sizes(COUNT), dtype=DType.F16), Uniform(sizes(COUNT), dtype=DType.F16)):
        y = run(op, xp)
        assert y.dtype == np.float16
        assert len(np.unique(y)) > 2000
    assert (
        run(Normal(sizes(4)), xp).astype(np.float16).tolist()
        == run(Normal(sizes(4), dtype=DType.F16), xp).tolist()
    )


def test_bernoulli_in_blocks_draws_what_one_draw_does(monkeypatch: pytest.MonkeyPatch) -> None:
    op = Bernoulli(sizes(7, 11), 0.3)
    once = op.forward(np, rng=np.random.default_rng(5))
    monkeypatch.setattr("netdsl.ops.create.random._BLOCK", 8)
    np.testing.assert_array_equal(op.forward(np, rng=np.random.default_rng(5)), once)


def test_bernoulli_has_its_probability(xp: Any) -> None:
    y = run(Bernoulli(sizes(COUNT), 0.3), xp)
    assert y.dtype == bool
    assert abs(y.mean() - 0.3) < 4 * sqrt(0.21 / COUNT)
    assert run(Bernoulli(sizes(COUNT), 1.0), xp).all()
    assert not run(Bernoulli(sizes(COUNT), 0.0), xp).any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_drops_and_scales(dtype: str, xp: Any) -> None:
    y = run(Dropout(0.25), xp, xp.full((COUNT // 4, 4), 3.0, dtype=dtype))
    assert y.dtype == dtype
    assert set(np.unique(y).tolist()) == {0.0, 4.0}
    assert abs((y == 0).mean() - 0.25) < 4 * sqrt(0.1875 / COUNT)


def test_dropout_of_none_and_of_all(xp: Any) -> None:
    x = xp.asarray([1.0, -2.0, float("inf"), float("nan")])
    np.testing.assert_array_equal(run(Dropout(0.0), xp, x), [1, -2, np.inf, np.nan])
    assert run(Dropout(1.0), xp, x).tolist() == [0, 0, 0, 0]


def test_a_dropped_element_is_0_whatever_it_was(xp: Any) -> None:
    y = run(Dropout(0.5), xp, xp.full(COUNT, float("nan")))
    assert abs((y == 0).mean() - 0.5) < 4 * sqrt(0.25 / COUNT)


@pytest.mark.parametrize("op", [Normal(sizes(9)), Uniform(sizes(9)), Bernoulli(sizes(9)), Dropout()])
def test_the_seed_decides(op: Op, xp: Any) -> None:
    arrays = [xp.ones(9)] if isinstance(op, Dropout) else []
    first, again, other = (run(op, xp, *arrays, seed=seed).tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other
