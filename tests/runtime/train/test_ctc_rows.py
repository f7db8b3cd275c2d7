"""CTC over rows whose labels do not fit into their steps: these rows do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

SOURCE = """net 1.0
model C(x: f32[B, T, 3]) -> logits: f32[B, T, 5] { return x -> fc: Linear(5) }
train {
  input label: i32[B, S]
  input label_length: i32[B]
  loss = ctc(logits, label, label_length=label_length)
  optimizer = adam(lr=0.01)
  epochs = 2
}
"""


def batch(*, fits: bool) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    label = rng.integers(1, 5, (8, 4))
    if not fits:
        label[:] = [2, 2, 3, 3]  # needs six steps, but has four
    label[4] = [2, 2, 3, 3]
    length = np.array([2, 1, 3, 2, 4, 2, 1, 2]) if fits else np.full(8, 4)
    return {"x": rng.normal(size=(8, 4, 3)).astype(np.float32), "label": label, "label_length": length}


def test_a_row_that_does_not_fit_counts_nothing() -> None:
    data = batch(fits=True)
    others = {name: np.delete(array, 4, axis=0) for name, array in data.items()}
    start = nr.load(SOURCE).weights
    losses = [nr.evaluate(SOURCE, rows, start).figures[""]["loss"] for rows in (data, others)]
    assert np.isfinite(losses[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    trained = [nr.fit(SOURCE, rows, batch_size=8).weights for rows in (data, others)]
    for name in start:
        np.testing.assert_allclose(trained[0][name], trained[1][name], rtol=1e-4, atol=1e-6)


def test_a_batch_in_which_no_row_fits_is_an_error() -> None:
    with pytest.raises(nr.TrainingError, match="the loss is inf"):
        nr.fit(SOURCE, batch(fits=False))
