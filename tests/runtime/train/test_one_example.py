"""Inputs whose rows make up one example, such as a graph with its adjacency matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import TensorType, tensor
from netruntime.sizes import batch_axis, shared_rows

GRAPH = """net 1.0
model Net(x: f32[N, 5], adjacency: f32[N, N]) -> logits: f32[N, 3] {
  return adjacency @ (x -> fc: Linear(3, bias=false))
}
train {
  input label: i32[N]
  loss = cross_entropy(logits, label)
  optimizer = sgd(1.0)
  epochs = 1
  batch_size = 4
}
"""


def rows(count: int = 11) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, count)
    label[::3] = -1
    x, adjacency = rng.normal(size=(count, 5)), rng.normal(size=(count, count))
    return {"x": x.astype(np.float32), "adjacency": adjacency.astype(np.float32), "label": label}


def test_a_graph_is_trained_as_one_batch_in_its_order() -> None:
    data, notes = rows(), []
    start = {name: np.array(w) for name, w in nr.load(GRAPH).weights.items()}
    result = nr.fit(GRAPH, data, weights=start, note=notes.append, accumulate=2)
    assert result.step == 1
    assert any("`N` is also another axis of `adjacency`" in note for note in notes)
    x, adjacency = data["x"].astype(np.float64), data["adjacency"].astype(np.float64)
    logits = adjacency @ x @ start["fc.weight"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts = data["label"] >= 0
    error = (shares - np.eye(3)[data["label"]]) * counts[:, None] / counts.sum()
    gradient = (adjacency @ x).T @ error
    np.testing.assert_allclose(start["fc.weight"] - result.weights["fc.weight"], gradient, atol=2e-6)


def test_a_graph_is_evaluated_as_one_batch() -> None:
    one, other = (nr.evaluate(GRAPH, rows(), batch_size=size).figures for size in (64, 3))
    assert one == other


def test_rows_of_a_graph_are_not_held_out() -> None:
    for call in (nr.fit, nr.evaluate):
        with pytest.raises(nr.DataInputError, match=r"E0837.*rows cannot be held out: `N`"):
            call(GRAPH, rows(), holdout=0.3)


@pytest.mark.parametrize(
    ("types", "batch", "shared"),
    [
        ({"x": ("N", 5), "a": ("N", "N"), "y": ("N",)}, None, "N"),
        ({"x": ("B", "T"), "y": ("B",)}, "B", None),
        ({"x": ("B", "T"), "mask": ("T", "T")}, None, None),
        ({"x": ("B", "N", 5), "a": ("B", "N", "N")}, "B", None),
        ({"x": (4, 3)}, None, None),
        ({"x": ("B", 3), "scale": ()}, "B", None),
    ],
)
def test_axes(types: dict[str, tuple[Any, ...]], batch: str | None, shared: str | None) -> None:
    shaped: dict[str, TensorType] = {
        name: tensor("f32", *(symbol(n) if isinstance(n, str) else n for n in shape))
        for name, shape in types.items()
    }
    assert batch_axis(shaped) == batch
    assert shared_rows(shaped) == shared
