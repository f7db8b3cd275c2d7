"""The state of optimizers: updates by groups, and going on from what was saved, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optimizer_cases import Array, first_weights, flat, gradients

from netruntime.errors import TrainingError
from netruntime.train.update.groups import WeightGroup, resolve_groups
from netruntime.train.update.optimizer_state import OptimizerState
from netruntime.train.update.optimizers import OPTIMIZERS, Optimizer, make_optimizer

MOMENTUM = {"sgd": {"momentum": 0.9}, "rmsprop": {"momentum": 0.9}}


def optimizer_of(name: str) -> Optimizer:
    return make_optimizer(name, MOMENTUM.get(name, {}))


def run(optimizer: Optimizer, weights: dict[str, Array], state: OptimizerState, steps: int) -> None:
    rates = resolve_groups(optimizer, [WeightGroup(patterns=("a.*",), lr=0.02)], weights)
    for _ in range(steps):
        factor = 1 / (state.step + 1)
        state.apply_gradients(np, optimizer, weights, gradients(weights), rates, factor)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_saved_state_goes_on_bit_for_bit(name: str) -> None:
    optimizer, weights, whole = optimizer_of(name), first_weights(), first_weights()
    state = OptimizerState.init(np, optimizer, weights)
    run(optimizer, weights, state, 7)
    saved = {label: array.copy() for label, array in state.to_arrays().items()}
    assert saved["step"] == 7 and saved["step"].dtype == np.int64
    resumed = OptimizerState.init(np, optimizer, weights)
    resumed.restore(np, optimizer, saved)
    run(optimizer, weights, resumed, 5)
    run(optimizer, whole, OptimizerState.init(np, optimizer, whole), 12)
    np.testing.assert_array_equal(flat(weights), flat(whole))
    assert resumed.step == 12
    np.testing.assert_array_equal(saved["step"], 7)


def test_groups_and_the_schedule_scale_the_rate() -> None:
    optimizer, weights = make_optimizer("sgd", {"lr": 1.0}), {"a.w": np.zeros(2), "b.w": np.zeros(2)}
    rates = resolve_groups(optimizer, [WeightGroup(patterns=("a.*",), lr=0.1)], weights)
    state = OptimizerState.init(np, optimizer, weights)
    state.apply_gradients(np, optimizer, weights, {label: np.ones(2) for label in weights}, rates, 0.5)
    np.testing.assert_allclose(weights["a.w"], -0.05)
    np.testing.assert_allclose(weights["b.w"], -0.5)


def test_a_weight_without_a_gradient_stays() -> None:
    optimizer, weights = make_optimizer("adamw", {}), {"a": np.ones(2), "b": np.ones(2)}
    state = OptimizerState.init(np, optimizer, weights)
    state.apply_gradients(np, optimizer, weights, {"b": np.ones(2)}, resolve_groups(optimizer, [], weights))
    np.testing.assert_array_equal(weights["a"], 1)
    assert (weights["b"] < 1).all() and not state.slots["a"]["m"].any()


def new_state(name: str) -> OptimizerState:
    return OptimizerState.init(np, optimizer_of(name), {"fc.w": np.ones((2, 3), np.float32)})


def saved_state(name: str = "adam") -> dict[str, Any]:
    return new_state(name).to_arrays()


def damaged(**changes: Any) -> dict[str, Any]:
    saved = {**saved_state(), **{name.replace("__", "/"): value for name, value in changes.items()}}
    return {name: value for name, value in saved.items() if value is not None}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (saved_state("sgd"), "`fc.w/m` of Adam is missing (1 more like it)"),
        (damaged(b__m=np.ones(1)), "`b/m` is not part of the state of Adam"),
        (
            {**damaged(), "fc.w/m": np.ones((3, 2), np.float32)},
            "`fc.w/m` must be f32[2, 3], but is f32[3, 2]",
        ),
        ({**damaged(), "fc.w/v": np.ones((2, 3))}, "`fc.w/v` must be f32[2, 3], but is f64[2, 3]"),
        (damaged(step=None), "`step` of Adam is missing"),
        (damaged(step=np.float64(3)), "`step` must be a step count, but is f64[]"),
        (damaged(step=np.int64(-1)), "`step` must be a step count, but is i64[]"),
    ],
)
def test_a_state_that_does_not_fit(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        new_state("adam").restore(np, optimizer_of("adam"), arrays)
    found = caught.value.diagnostics[0]
    assert found.code == "E1083"
    assert found.message == f"the saved training state does not fit: {message}"


def test_the_state_of_another_optimizer_with_more_slots() -> None:
    with pytest.raises(TrainingError, match=r"`fc\.w/v` is not part of the state of Lion"):
        new_state("lion").restore(np, optimizer_of("lion"), saved_state())
