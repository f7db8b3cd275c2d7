"""Losses and metrics whose shapes once went together silently and gave a wrong number."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netruntime.engine.loading import open_module

SECTION = """net 1.0
model M(x: f32[B, 3]) -> (flat: f32[B], column: f32[B, 1], many: f32[B, 4]) {
  p = x -> f: Linear(1)
  return p -> squeeze(1), p, x -> g: Linear(4)
}
train {
  input label: LABEL
  loss = mean(flat)
  metric measured = MEASURE
}
"""


def section(label: str, measure: str) -> str:
    return SECTION.replace("LABEL", label).replace("MEASURE", measure)


@pytest.mark.parametrize(("output", "label"), [("flat", "B"), ("column", "B, 1")])
@pytest.mark.parametrize("dtype", ["f32", "i32", "i64"])
def test_accuracy_of_one_logit_for_each_label(output: str, label: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shape = (20,) if label == "B" else (20, 1)
    data = {"x": rng.normal(size=(20, 3)).astype(np.float32), "label": rng.integers(0, 2, shape)}
    if dtype == "f32":
        data["label"] = data["label"].astype(np.float32)
    text = section(f"{dtype}[{label}]", f"accuracy({output}, label)")
    logits = nr.load(text)(x=data["x"])[output]
    wanted = ((logits > 0) == (data["label"] == 1)).mean()
    assert nr.evaluate(text, data, batch_size=7).figures[""]["measured"] == pytest.approx(wanted)
    assert 0 < wanted < 1


@pytest.mark.parametrize(
    ("label", "measure", "message"),
    [
        ("f32[B]", "cross_entropy(flat, label)", "no axis of classes"),
        ("f32[B, 1]", "cross_entropy(column, label)", "2 or more classes"),
        ("i32[B]", "cross_entropy(column, label)", "2 or more classes"),
        ("f32[B]", "kl_divergence(flat, label)", "no axis of classes"),
        ("i32[B]", "accuracy(column, label)", "2 or more classes"),
        ("f32[B, 4]", "accuracy(flat, label)", "must have"),
        ("f32[B, 1]", "accuracy(many, label)", "must have|differ|is 1"),
        ("i32[B]", "top_k(many, label)", "k=5 counts every label of 4 classes"),
        ("f32[B]", "confusion_matrix(many, label)", "class indices"),
        ("f32[B]", "f1(many, label)", "class indices"),
        ("i32[B]", 'f1(many, label, average="binary")', "scores of 2 classes"),
        ("f32[B, 1]", "mse(flat, label)", "must have"),
        ("f32[B]", "binary_cross_entropy(column, label)", "must have"),
    ],
)
def test_shapes_that_do_not_go_together_are_refused_in_check(label: str, measure: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        check(open_module(section(label, measure)), {})
