"""Recurrent cells over all steps: native against NumPy, and the same bits for threads and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import run_natively, step_of
from netdsl.ops.elementwise.activations import Relu
from netruntime.native import accepts
from netruntime.native.fused import CellSteps, GRUSteps, LSTMSteps, RNNSteps

Array = np.ndarray[Any, Any]
Given = list[Array | None]
OPS = [
    RNNSteps(),
    RNNSteps(reverse=True, activation=Relu()),
    LSTMSteps(),
    LSTMSteps(reverse=True),
    GRUSteps(),
    GRUSteps(reverse=True),
    GRUSteps(reset_after=False),
]


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def arrays_of(
    op: CellSteps, batch: int, steps: int, hidden: int, *, length: Any = None, extra: bool = False
) -> Given:
    """Random inputs; row n of the batch is the same in each batch."""
    rows = [floats(steps, op.gates * hidden, seed=n) for n in range(batch)]
    states = [np.stack([floats(hidden, seed=10 * n + k) for n in range(batch)]) for k in range(op.states)]
    weight = floats(hidden, op.gates * hidden, seed=1) / np.float32(hidden**0.5)
    more: Given = []
    if extra:
        more = [floats(3, hidden, seed=2) if isinstance(op, LSTMSteps) else floats(hidden, seed=2)]
    return [np.stack(rows), None if length is None else np.array(length, np.int32), *states, weight, *more]


def check(op: CellSteps, arrays: Given, threads: int = 2) -> list[Array]:
    _, wanted = step_of(op, arrays, [])
    found = run_natively(op, arrays, range(2 + op.states, len(arrays)), threads)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    return found


@pytest.mark.parametrize("op", OPS, ids=str)
@pytest.mark.parametrize("hidden", [1, 5, 16, 33, 70])
def test_sizes(op: CellSteps, hidden: int) -> None:
    for batch, steps in ((1, 1), (1, 6), (3, 5), (16, 2), (31, 3), (60, 2)):
        check(op, arrays_of(op, batch, steps, hidden))


@pytest.mark.parametrize("op", OPS, ids=str)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_lengths(op: CellSteps, dtype: Any) -> None:
    arrays = arrays_of(op, 5, 4, 20, length=[4, 0, 2, 7, 1])
    assert arrays[1] is not None
    arrays[1] = arrays[1].astype(dtype)
    y, *last = check(op, arrays)
    assert not y[1].any() and not y[2, 2:].any()
    np.testing.assert_array_equal(last[0][1], arrays[2][1])  # type: ignore[index]


@pytest.mark.parametrize("op", [LSTMSteps(), LSTMSteps(reverse=True), GRUSteps()], ids=str)
def test_peepholes_and_the_bias_inside(op: CellSteps) -> None:
    for hidden in (3, 40):
        check(op, arrays_of(op, 4, 5, hidden, length=[5, 3, 0, 1], extra=True))


@pytest.mark.parametrize("op", OPS, ids=str)
@pytest.mark.parametrize("hidden", [33, 64])
def test_the_same_bits_for_threads_and_batches(op: CellSteps, hidden: int) -> None:
    results = [
        check(op, arrays_of(op, batch, 7, hidden), threads)
        for batch in (40, 14, 2, 1)
        for threads in (1, 2, 3)
    ]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a[: len(b)], b)


@pytest.mark.parametrize("op", OPS, ids=str)
def test_nan_and_infinity(op: CellSteps) -> None:
    arrays = arrays_of(op, 6, 4, 18, length=[4, 2, 4, 4, 4, 4])
    x = arrays[0]
    assert x is not None and arrays[2] is not None
    x[0, 1, 3], x[1, 3, 2], x[2, 0, 5], x[3, 2, 7] = np.nan, np.nan, np.inf, -np.inf
    arrays[2][4, 0] = np.nan
    y, *_ = check(op, arrays)
    assert np.isfinite(y[5]).all() and np.isnan(y[0]).any() and not np.isnan(y[1]).any()


def test_what_runs_on_numpy() -> None:
    arrays = arrays_of(LSTMSteps(), 2, 3, 4)
    assert accepts(step_of(LSTMSteps(), arrays, [4])[0])
    assert not accepts(step_of(LSTMSteps(), arrays, [])[0])  # weights that change
    assert not accepts(step_of(LSTMSteps(), [None if a is None else a.astype("f8") for a in arrays], [4])[0])
    empty = arrays_of(LSTMSteps(), 2, 0, 4)
    assert not accepts(step_of(LSTMSteps(), empty, [4])[0])
