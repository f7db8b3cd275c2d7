"""Batch normalisation inside cells while training: running statistics step by step, and gradients.

The reference is a loop in NumPy, and its finite differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netdsl.diagnostics import NetError
from std.phases import phase_of, run_phase

EPS, MOMENTUM, STEP = 1e-3, 0.2, 1e-6
CELL = f"""net 1.0

cell C()(x: [B, D]) -> [B, D] {{
  state h: [B, D] = zeros
  next h = tanh(x + 0.5 * h) -> bn: BatchNorm(eps={EPS}, momentum={MOMENTUM})
  return h'
}}
"""
ONCE = f"""{CELL}
model M(x: f64[B, T, 2]) -> y: f64[B, T, 2] {{ return x -> c: scan CALL }}

train {{
  input target: f64[B, T, 2]
  loss = mse(y, target)
}}
"""
NESTED = f"""{CELL}
cell Outer()(x: [B, T, D]) -> [B, D] {{
  state s: [B, D] = zeros
  y, last = x -> c: scan C(h=s) states
  next s = last
  return s'
}}

model M(x: f64[B, S, T, 2]) -> y: f64[B, S, 2] {{ return x -> o: scan Outer }}

train {{
  input target: f64[B, S, 2]
  loss = mse(y, target)
}}
"""
X = np.sin(np.arange(24.0)).reshape(3, 4, 2) * 2 + 0.5
TARGET = np.cos(np.arange(24.0)).reshape(3, 4, 2)
WEIGHTS = {
    "weight": np.array([0.5, 2.0]),
    "bias": np.array([0.1, -0.2]),
    "running_mean": np.array([1.0, 2.0]),
    "running_var": np.array([3.0, 4.0]),
}
Arrays = Mapping[str, Any]


def by_loop(x: Any, weights: Arrays, reverse: bool = False) -> tuple[Any, dict[str, Any]]:
    """The outputs `[B, T, D]` and the running statistics after the last step."""
    rows, steps, _ = x.shape
    h = np.zeros_like(x[:, 0])
    y = np.zeros_like(x)
    mean, var = weights["running_mean"], weights["running_var"]
    for t in reversed(range(steps)) if reverse else range(steps):
        z = np.tanh(x[:, t] + 0.5 * h)
        h = (z - z.mean(0)) / np.sqrt(z.var(0) + EPS) * weights["weight"] + weights["bias"]
        mean = (1 - MOMENTUM) * mean + MOMENTUM * z.mean(0)
        var = (1 - MOMENTUM) * var + MOMENTUM * z.var(0) * rows / (rows - 1)
        y[:, t] = h
    return y, {"running_mean": mean, "running_var": var}


def slopes(loss: Any, array: Any) -> Any:
    """The central differences of `loss()` with respect to an array, which it reads."""
    found = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        middle = array[index]
        ends = []
        for move in (STEP, -STEP):
            array[index] = middle + move
            ends.append(loss())
        array[index] = middle
        found[index] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def labelled(path: str) -> dict[str, Any]:
    return {f"{path}.{name}": value for name, value in WEIGHTS.items()}


def assert_close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("reverse", [False, True])
def test_statistics_and_gradients_are_those_of_the_loop(reverse: bool) -> None:
    phase = phase_of(ONCE.replace("CALL", "C reverse" if reverse else "C"), training=True)
    wrt = ["x", "c.bn.weight", "c.bn.bias"]
    result = run_phase(phase, {"x": X, "target": TARGET}, wrt, labelled("c.bn"))
    arrays = {"x": X.copy(), **{name: value.copy() for name, value in WEIGHTS.items()}}

    def loss() -> float:
        return float(np.mean((by_loop(arrays["x"], arrays, reverse)[0] - TARGET) ** 2))

    assert_close(result.outputs["loss"], loss())
    for name in wrt:
        assert_close(result.gradients[name], slopes(loss, arrays[name.removeprefix("c.bn.")]))
    _, statistics = by_loop(X, WEIGHTS, reverse)
    assert result.updates.keys() == {"c.bn.running_mean", "c.bn.running_var"}
    for name, value in statistics.items():
        assert_close(result.updates[f"c.bn.{name}"], value)


def test_a_scan_inside_a_cell_carries_the_statistics_on() -> None:
    x = np.sin(np.arange(48.0)).reshape(3, 2, 4, 2)
    target = np.cos(np.arange(12.0)).reshape(3, 2, 2)
    wrt = ["x", "o.c.bn.weight"]
    phase = phase_of(NESTED, training=True)
    result = run_phase(phase, {"x": x, "target": target}, wrt, labelled("o.c.bn"))
    arrays = {"x": x.copy(), **{name: value.copy() for name, value in WEIGHTS.items()}}

    def run() -> tuple[float, Any]:
        # The state goes on from one line to the next, so all steps are one loop.
        y, statistics = by_loop(arrays["x"].reshape(3, 8, 2), arrays)
        return float(np.mean((y[:, [3, 7]] - target) ** 2)), statistics

    assert_close(result.outputs["loss"], run()[0])
    assert_close(result.gradients["x"], slopes(lambda: run()[0], arrays["x"]))
    assert_close(result.gradients["o.c.bn.weight"], slopes(lambda: run()[0], arrays["weight"]))
    for name, value in run()[1].items():
        assert_close(result.updates[f"o.c.bn.{name}"], value)


def test_two_scans_of_one_layer_move_the_statistics_twice() -> None:
    reader = "block Reader()(x: [B, T, D]) -> [B, T, D] { return x -> c: scan C }"
    text = ONCE.replace("\nmodel", f"\n{reader}\nmodel")
    text = text.replace("return x -> c: scan CALL", "layer r = Reader\n  return x -> r -> r")
    result = run_phase(phase_of(text, training=True), {"x": X, "target": TARGET}, (), labelled("r.c.bn"))
    y, statistics = by_loop(X, WEIGHTS)
    _, expected = by_loop(y, {**WEIGHTS, **statistics})
    for name, value in expected.items():
        assert_close(result.updates[f"r.c.bn.{name}"], value)


def test_inference_updates_nothing() -> None:
    phase = phase_of(ONCE.replace("CALL", "C"))
    result = run_phase(phase, {"x": X, "target": TARGET}, ["x"], labelled("c.bn"))
    assert result.updates == {}


def test_lengths_are_refused_while_training() -> None:
    text = ONCE.replace("CALL", "C(length=n)").replace("x: f64[B, T, 2])", "x: f64[B, T, 2], n: i32[B])")
    phase_of(text)
    with pytest.raises(NetError, match="E0224"):
        phase_of(text, training=True)
