"""Every loss and its gradients agree with PyTorch, and with what PyTorch gave when it was recorded.

`NETDSL_UPDATE=1 pytest tests/std/test_losses.py` records `tests/data/losses_torch.json` anew where PyTorch is
installed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from std.loss_cases import CASES, LossCase
from std.phases import phase_of, run_phase

RECORD = Path(__file__).parents[1] / "data" / "losses_torch.json"
UPDATE = os.environ.get("NETDSL_UPDATE") == "1"
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def found_by_us(case: LossCase) -> dict[str, Any]:
    """The loss, and its gradients of the inputs that hold floats."""
    names = {case.first: f"{case.first}_"}
    arrays = {names.get(name, name): array for name, array in case.arrays.items()}
    wrt = [names.get(name, name) for name in case.wrt]
    result = run_phase(phase_of(case.text), arrays, wrt)
    gradients = dict(zip(case.wrt, result.gradients.values(), strict=True))
    return {"loss": result.outputs["loss"], **gradients}


def found_by_pytorch(torch: Any, case: LossCase) -> dict[str, Any]:
    tensors = {name: torch.tensor(array) for name, array in case.arrays.items()}
    for name in case.wrt:
        tensors[name].requires_grad_()
    loss = case.torch(torch, tensors)
    loss.backward()
    gradients = {name: tensors[name].grad for name in case.wrt if tensors[name].grad is not None}
    return {"loss": loss.item(), **{name: gradient.numpy() for name, gradient in gradients.items()}}


def agree(case: LossCase, expected: dict[str, Any]) -> None:
    found = found_by_us(case)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=f"{case.name}: {name}")


@every
def test_agrees_with_pytorch(case: LossCase) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    agree(case, found_by_pytorch(torch, case))


@every
def test_agrees_with_the_recorded_values(case: LossCase) -> None:
    if UPDATE:
        torch = pytest.importorskip("torch")
        recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        values = {n: np.asarray(v).round(15).tolist() for n, v in found_by_pytorch(torch, case).items()}
        RECORD.write_text(json.dumps(recorded | {case.name: values}, indent=1) + "\n")
    agree(case, json.loads(RECORD.read_text())[case.name])


def test_every_record_has_its_case() -> None:
    assert set(json.loads(RECORD.read_text())) == {case.name for case in CASES}


def test_labels_of_unsigned_integers() -> None:
    """A label of u8 is never -1, the label that does not count."""
    text = """net 1.0
model M(x_: f64[B, 4]) -> x: f64[B, 4] { return x_ }
train {
  input label: u8[B]
  loss = cross_entropy(x, label, smoothing=0.1)
  metric right = accuracy(x, label)
}
"""
    case = next(case for case in CASES if case.name == "cross_entropy")
    x, label = case.arrays["x"], case.arrays["label"]
    result = run_phase(phase_of(text), {"x_": x, "label": label.astype(np.uint8)})
    np.testing.assert_allclose(result.outputs["right"], [np.sum(x.argmax(axis=1) == label), len(label)])


def test_a_batch_without_a_label_that_counts_has_no_loss() -> None:
    text = """net 1.0
model M(x_: f64[B, 4]) -> x: f64[B, 4] { return x_ }
train {
  input label: i32[B]
  loss = cross_entropy(x, label, smoothing=0.1)
}
"""
    inputs = {"x_": np.ones((2, 4)), "label": np.full(2, -1, np.int32)}
    result = run_phase(phase_of(text), inputs, ["x_"])
    assert result.outputs["loss"] == 0
    assert not np.any(result.gradients["x_"])
