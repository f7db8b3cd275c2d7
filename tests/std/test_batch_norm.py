"""Batch normalisation while training: batch statistics, running statistics, and their order.

The golden values are those of `by_pytorch` with PyTorch 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netruntime import DataInputError
from std.phases import Result, phase_of, run_phase

NET = """net 1.0

model M(x: f64[B, 2, 3]) -> y: f64[B, 2, 3] {
  layer bn = BatchNorm(eps=1e-3, momentum=0.2)
  return x -> bn -> bn
}

train {
  input target: f64[B, 2, 3]
  loss = mse(y, target)
}
"""
X = np.sin(np.arange(24.0)).reshape(4, 2, 3) * 3 + 1
TARGET = np.cos(np.arange(24.0)).reshape(4, 2, 3)
WEIGHTS = {
    "bn.weight": np.array([0.5, 2.0]),
    "bn.bias": np.array([0.1, -0.2]),
    "bn.running_mean": np.array([1.0, 2.0]),
    "bn.running_var": np.array([3.0, 4.0]),
}
GOLDEN = {
    "loss": 3.097708636975121,
    "bn.weight": [0.7958888015294742, 2.2322385688522837],
    "bn.bias": [-0.4531557769283931, 0.39823198859666786],
    "bn.running_mean": [0.9921493778766723, 1.2670428545029386],
    "bn.running_var": [2.543405482749919, 4.0744002570363556],
}
"""By PyTorch in training: the loss, its gradients, and the statistics after two applications."""


def run(*, training: bool = True) -> Result:
    wrt = ["x", "bn.weight", "bn.bias"]
    return run_phase(phase_of(NET, training=training), {"x": X, "target": TARGET}, wrt, WEIGHTS)


def by_pytorch(torch: Any, *, training: bool) -> dict[str, Any]:
    layer = torch.nn.BatchNorm1d(2, eps=1e-3, momentum=0.2, dtype=torch.float64).train(training)
    layer.load_state_dict({name[3:]: torch.tensor(v) for name, v in WEIGHTS.items()}, strict=False)
    x = torch.tensor(X, requires_grad=True)
    loss = torch.nn.functional.mse_loss(layer(layer(x)), torch.tensor(TARGET))
    loss.backward()
    return {
        "loss": loss.item(),
        "x": x.grad.numpy(),
        "bn.weight": layer.weight.grad.numpy(),
        "bn.bias": layer.bias.grad.numpy(),
        "bn.running_mean": layer.running_mean.numpy(),
        "bn.running_var": layer.running_var.numpy(),
    }


@pytest.mark.parametrize("training", [True, False])
def test_agrees_with_pytorch(training: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    result, expected = run(training=training), by_pytorch(torch, training=training)
    found = {**WEIGHTS, **result.updates, **result.gradients, "loss": result.outputs["loss"]}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_agrees_with_the_recorded_values() -> None:
    result = run()
    found = {**result.updates, **result.gradients, "loss": result.outputs["loss"]}
    for name, value in GOLDEN.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)


def test_inference_updates_nothing() -> None:
    assert run(training=False).updates == {}


def test_one_value_for_a_channel_is_refused() -> None:
    """The unbiased variance of one value is not defined."""
    text = """net 1.0

model M(x: f32[B, 2]) -> y: f32[B, 2] { return x -> bn: BatchNorm }

train { loss = mean(y) }
"""
    with pytest.raises(DataInputError, match="at least 2 values in each channel") as caught:
        run_phase(phase_of(text, training=True), {"x": np.array([[3.0, 5.0]], np.float32)})
    assert caught.value.code == "E0820"


def test_a_metric_looks_at_what_was_computed_for_the_loss() -> None:
    """A second call on the same inputs would move the running statistics once more."""
    text = """net 1.0

model M(x: f64[B, 2]) -> y: f64[B, 2] { return x -> bn: BatchNorm }

train {
  input other: f64[B, 2]
  metric spread = mean(square(M(other)))
  loss = mean(M(other)) + mean(M(other))
}
"""
    other = np.array([[1.0, 4.0], [3.0, 8.0]])
    result = run_phase(phase_of(text, training=True), {"other": other})
    expected = other.mean(axis=0) * (1 - 0.9**2)
    np.testing.assert_allclose(result.updates["bn.running_mean"], expected, rtol=1e-12)
