"""Frozen batch norms inside the cell of a scan, and sections whose batches are accumulated together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

SOURCE = """net 1.0
cell Step()(x: [B, D]) -> [B, 4] {
  state h: [B, 4] = zeros
  next h = tanh((x -> wx: Linear(4) -> bn: BatchNorm) + (h -> wh: Linear(4)))
  return h'
}
model Net(x: f32[B, 5, 3]) -> logits: f32[B, 3] {
  return x -> rnn: scan Step -> mean(over=1) -> head: Linear(3)
}
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr=0.5)
  epochs = 2
  LINE
}
"""


def rows() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(5, 3, (24, 5, 3)), "label": rng.integers(0, 3, 24)}


@pytest.mark.parametrize("line", ["", 'freeze "rnn.*"', 'freeze "rnn*bn.*"', 'over "head.*"'])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_frozen_statistics_in_a_cell_stay(line: str, accumulate: int) -> None:
    text = SOURCE.replace("LINE", line)
    start = {name: np.array(array) for name, array in nr.load(text).weights.items()}
    after = nr.fit(text, rows(), weights=start, batch_size=8, accumulate=accumulate).weights
    statistics = [name for name in start if "running" in name]
    assert len(statistics) == 2
    for name in statistics:
        assert np.array_equal(start[name], after[name]) == bool(line), name
    assert not np.array_equal(start["head.weight"], after["head.weight"])


SECTIONS = """net 1.0
model M(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(11, 6) -> out: Linear(5) }
train tags {
  input tag: i32[B, T]
  loss = cross_entropy(logits, tag, weights=[1.0, 2.0, 0.5, 3.0, 0.1], smoothing=0.1)
  optimizer = sgd(1.0)
  over "out.*"
  batch_size = 9
  epochs = 1
}
train sizes {
  input ids_length: i32[B]
  keep = unsqueeze(range(T), 0) < unsqueeze(ids_length, 1)
  loss = mean(mean(square(logits), over=-1), where=keep)
  optimizer = sgd(0.5)
  over "embed.*"
}
"""
LENGTHS = (7, 1, 4, 7, 2, 3, 7, 5, 6)


def sequences() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    made = [{"ids": rng.integers(0, 11, n), "tag": rng.integers(0, 5, n)} for n in LENGTHS]
    for row in made:
        row["tag"][1::3] = -1
    return made


def updated(batch_size: int, accumulate: int) -> dict[str, Any]:
    settings = {"batch_size": batch_size, "accumulate": accumulate, "epochs": 1}
    return dict(nr.fit(SECTIONS, sequences(), seed=3, **settings).weights)


@pytest.mark.parametrize(("size", "parts"), [(3, 3), (4, 3), (2, 5), (1, 9)])
def test_two_sections_with_lengths_accumulate_to_the_complete_batch(size: int, parts: int) -> None:
    """Also where the last batch has fewer rows: 9 are 4, 4 and 1."""
    complete, accumulated = updated(9, 1), updated(size, parts)
    for name, weight in complete.items():
        np.testing.assert_allclose(accumulated[name], weight, rtol=2e-5, atol=2e-6, err_msg=name)
