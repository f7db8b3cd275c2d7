"""Accumulated batches make the update of one batch with all their rows; evaluation ignores the batch size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

ROWS = 9
MODEL = """net 1.0
model Tagger(ids: i32[B, T]) -> logits: f32[B, T, 5] {
  return ids -> embed: Embedding(11, 8) -> out: Linear(5)
}
"""
LOSSES = {
    "ignored labels": "cross_entropy(logits, tag)",
    "class weights": "cross_entropy(logits, tag, weights=[1.0, 2.0, 0.5, 3.0, 0.1])",
    "smoothing": "cross_entropy(logits, tag, smoothing=0.1)",
    "smoothing and weights": "cross_entropy(logits, tag, smoothing=0.2, weights=[1.0, 2.0, 0.5, 3.0, 0.1])",
    "another ignored label": "cross_entropy(logits, other, ignore=0)",
    "two losses": "cross_entropy(logits, tag) + 0.3 * cross_entropy(logits, other, ignore=2)",
    "row weights": "sum(mean(square(logits), over=[1, 2]) * w) / sum(w)",
    "mean with a mask": "mean(square(logits), where=unsqueeze(tag != -1, -1))",
    "root of a mean": "sqrt(mean(square(logits)))",
    "a ratio of means": "mean(square(logits)) / (1.0 + mean(abs(logits)))",
    "a sum": "sum(square(logits))",
    "a sum over the rows": "sum(square(logits)) / B",
    "weight decay": "cross_entropy(logits, tag) + 0.01 * sum(square(logits)) / (B * T)",
    "largest": "max(logits) - min(logits)",
    "logsumexp": "logsumexp(logits)",
    "variance": "variance(logits)",
    "standard deviation": "sum(sqrt(variance(logits, over=[0, 1], correction=1)))",
    "product": "prod(1.0 + 0.01 * mean(logits, over=[1, 2]))",
    "einsum": "einsum(logits[B, T, C], logits[B, T, C] => [])",
    "means of classes": "sum(square(mean(logits, over=[0, 1])))",
    "perplexity": "exp(cross_entropy(logits, tag))",
}
METRICS = """
  metric hits = accuracy(logits, tag)
  metric best = top_k(logits, tag, k=2)
  metric f1 = f1(logits, tag, average="weighted")
  metric macro = f1(logits, tag)
  metric surprise = perplexity(logits, tag)
  metric table = confusion_matrix(logits, tag)
  metric largest = max(logits)
  metric spread = sqrt(variance(logits))
  metric all_equal = mean(cast(argmax(logits) == tag, f32), where=tag != -1)
  metric count = sum(cast(tag != -1, f32))
"""


def source(loss: str, more: str = "") -> str:
    return (
        MODEL
        + f"""
train {{
  input tag: i32[B, T]
  input other: i32[B, T]
  input w: f32[B]
  loss = {loss}
  optimizer = sgd(1.0)
  {more}
}}
"""
    )


def data(text: str) -> dict[str, Any]:
    """Rows of different lengths; labels of padding are -1 if the section ignores them."""
    rng = np.random.default_rng(1)
    ids, tag = rng.integers(0, 11, (ROWS, 12)), rng.integers(0, 5, (ROWS, 12))
    for row, kept in enumerate([12, 1, 2, 11, 3, 12, 1, 0, 6]):
        tag[row, kept:] = -1 if "(logits, tag" in text and "ignore=0" not in text else 0
    return {"ids": ids, "tag": tag, "other": rng.integers(0, 5, (ROWS, 12)), "w": np.arange(ROWS) % 4}


def update(text: str, batch_size: int, accumulate: int, **more: Any) -> dict[str, np.ndarray[Any, Any]]:
    start = {name: np.array(array) for name, array in nr.load(text, seed=2).weights.items()}
    start = {name: array + np.float32(0.3) for name, array in start.items()}
    settings = {"batch_size": batch_size, "accumulate": accumulate, "epochs": 1, **more}
    after = nr.fit(text, data(text), weights=start, seed=3, **settings).weights
    return {name: after[name] - start[name] for name in start}


@pytest.mark.parametrize("name", LOSSES)
def test_accumulated_batches_are_one_batch(name: str) -> None:
    text = source(LOSSES[name])
    whole = update(text, ROWS, 1)
    largest = max(np.abs(step).max() for step in whole.values())
    assert largest > 1e-4
    for size, parts in ((4, 3), (3, 3), (1, ROWS)):
        for label, step in update(text, size, parts).items():
            assert np.abs(step - whole[label]).max() < 2e-5 * max(largest, 1.0), label


@pytest.mark.parametrize("name", LOSSES)
def test_evaluation_does_not_depend_on_the_batch_size(name: str) -> None:
    text = source(LOSSES[name], METRICS)
    whole, *parts = (nr.evaluate(text, data(text), batch_size=size).figures[""] for size in (ROWS, 4, 2, 1))
    for part in parts:
        assert part.keys() == whole.keys()
        for figure, value in whole.items():
            np.testing.assert_allclose(part[figure], value, rtol=3e-6, atol=1e-6, err_msg=figure)


def test_the_loss_is_the_mean_over_all_labels_that_count() -> None:
    text, rows = source(LOSSES["ignored labels"]), data("(logits, tag)")
    net = nr.load(text)
    logits = net(ids=rows["ids"]).astype(np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    counts = rows["tag"] != -1
    expected = -log_probs[counts, rows["tag"][counts]].mean()
    loss = nr.evaluate(text, rows, dict(net.weights), batch_size=2).figures[""]["loss"]
    assert loss == pytest.approx(expected, rel=1e-6)
