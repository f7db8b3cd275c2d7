"""Metrics over batches agree with scikit-learn on all rows at once, and with what it gave when recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.model import MetricSpec, Phase
from netdsl.source import Source
from netruntime.train.metrics import finish_metric, higher_is_better, monitored
from std.phases import phase_of, run_phase

SPAN = Source("model.net", "").span(0, 0)
ROWS, CLASSES = 23, 4
SCORES = np.sin(np.arange(ROWS * CLASSES) * 2.1).reshape(ROWS, CLASSES)
LABELS = np.arange(ROWS) * 5 // 3 % CLASSES
KEPT = np.where(np.arange(ROWS) % 5 == 0, -1, LABELS)
TARGETS = SCORES * 0.8 + 0.3 * np.cos(np.arange(ROWS * CLASSES)).reshape(ROWS, CLASSES) + 0.2


def over_batches(metric: str, *, label: str = "label") -> Any:
    """The metric of batches of several lengths."""
    text = f"""net 1.0
model M(scores: f64[B, {CLASSES}]) -> logits: f64[B, {CLASSES}] {{ return scores }}
train {{
  input label: i64[B]
  input kept: i64[B]
  input target: f64[B, {CLASSES}]
  loss = mean(logits)
  metric it = {metric}
}}
"""
    phase = phase_of(text)
    total: Any = 0.0
    for rows in (slice(0, 10), slice(10, 13), slice(13, ROWS)):
        inputs = {"scores": SCORES[rows], "label": LABELS[rows], "kept": KEPT[rows], "target": TARGETS[rows]}
        total = total + run_phase(phase, inputs).outputs["it"]
    return finish_metric(phase.metrics[0], total)


def by_scikit_learn(m: Any) -> dict[str, Any]:
    guess, seen = SCORES.argmax(axis=1), KEPT >= 0
    chances = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    f1 = {name: m.f1_score(LABELS, guess, average=name) for name in ("macro", "micro", "weighted")}
    classes = list(range(CLASSES))
    return {
        "accuracy(logits, label)": m.accuracy_score(LABELS, guess),
        "accuracy(logits, kept, ignore=-1)": m.accuracy_score(LABELS[seen], guess[seen]),
        "top_k(logits, label, k=2)": m.top_k_accuracy_score(LABELS, SCORES, k=2),
        "top_k(logits, kept, 3, ignore=-1)": m.top_k_accuracy_score(
            LABELS[seen], SCORES[seen], k=3, labels=classes
        ),
        "perplexity(logits, label)": np.exp(m.log_loss(LABELS, chances)),
        "perplexity(logits, kept, ignore=-1)": np.exp(
            m.log_loss(LABELS[seen], chances[seen], labels=classes)
        ),
        "confusion_matrix(logits, label)": m.confusion_matrix(LABELS, guess),
        "confusion_matrix(logits, kept, ignore=-1)": m.confusion_matrix(
            LABELS[seen], guess[seen], labels=classes
        ),
        "f1(logits, label)": f1["macro"],
        'f1(logits, label, average="micro")': f1["micro"],
        'f1(logits, label, average="weighted")': f1["weighted"],
        "mse(logits, target)": m.mean_squared_error(TARGETS, SCORES),
        "r2(logits, target)": m.r2_score(TARGETS, SCORES),
        "r2(logits[:, 0], target[:, 0])": m.r2_score(TARGETS[:, 0], SCORES[:, 0]),
    }


METRICS: dict[str, Any] = {
    "accuracy(logits, label)": 0.21739130434782608,
    "accuracy(logits, kept, ignore=-1)": 0.16666666666666666,
    "top_k(logits, label, k=2)": 0.4782608695652174,
    "top_k(logits, kept, 3, ignore=-1)": 0.6666666666666666,
    "perplexity(logits, label)": 5.094866598752534,
    "perplexity(logits, kept, ignore=-1)": 5.469520209375213,
    "confusion_matrix(logits, label)": [[2, 2, 2, 0], [2, 2, 2, 0], [2, 2, 1, 0], [2, 2, 2, 0]],
    "confusion_matrix(logits, kept, ignore=-1)": [[1, 1, 1, 0], [2, 1, 1, 0], [2, 2, 1, 0], [2, 2, 2, 0]],
    "f1(logits, label)": 0.1845238095238095,
    'f1(logits, label, average="micro")': 0.21739130434782608,
    'f1(logits, label, average="weighted")': 0.18530020703933747,
    "mse(logits, target)": 0.10496006331844576,
    "r2(logits, target)": 0.6435400003376183,
    "r2(logits[:, 0], target[:, 0])": 0.40729752311151524,
}
"""Recorded with scikit-learn 1.9."""


@pytest.mark.parametrize("metric", METRICS)
def test_agrees_with_the_recorded_values(metric: str) -> None:
    np.testing.assert_allclose(over_batches(metric), METRICS[metric], rtol=1e-9)


def test_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    expected = by_scikit_learn(metrics)
    assert set(expected) == set(METRICS)
    for metric, value in expected.items():
        np.testing.assert_allclose(over_batches(metric), value, rtol=1e-9, err_msg=metric)


def spec(kind: str, name: str = "it", **arguments: Any) -> MetricSpec:
    return MetricSpec(name, kind, arguments, "it", SPAN)


def test_binary_f1_is_that_of_class_1() -> None:
    counts = np.array([[5.0, 2.0], [1.0, 3.0]])
    assert finish_metric(spec("f1", average="binary"), counts) == pytest.approx(2 * 3 / (5 + 4))


def test_a_class_that_was_neither_met_nor_predicted_does_not_count() -> None:
    counts = np.array([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert finish_metric(spec("f1", average="macro"), counts) == pytest.approx((4 / 5 + 0) / 2)


@pytest.mark.parametrize(
    ("kind", "shape"), [("accuracy", 2), ("perplexity", 2), ("mse", 2), ("r2", (4, 3)), ("f1", (3, 3))]
)
def test_nothing_measured_is_not_a_number(kind: str, shape: Any) -> None:
    assert np.isnan(finish_metric(spec(kind, average="macro"), np.zeros(shape)))


def test_targets_that_are_all_equal_have_no_share_of_variance() -> None:
    assert np.isnan(finish_metric(spec("r2"), np.array([4.0, 8.0, 16.0, 1.0])))


@pytest.mark.parametrize(
    ("kind", "name", "better"),
    [
        ("f1", "score", True),
        ("perplexity", "per_token", False),
        ("mean", "accuracy", True),
        ("mean", "token_accuracy", True),
        ("mean", "valid_mse", False),
        ("mean", "mean_score", None),
        ("confusion_matrix", "accuracy", None),
    ],
)
def test_the_better_side(kind: str, name: str, better: bool | None) -> None:
    assert higher_is_better(spec(kind, name)) is better


def phase_with(*lines: str) -> Phase:
    metrics = "\n  ".join(lines)
    return phase_of(f"""net 1.0
model M(x: f32[B, 3]) -> y: f32[B, 3] {{ return x -> fc: Linear(3) }}
train {{
  input label: i64[B]
  loss = cross_entropy(y, label)
  {metrics}
}}
""")


def test_the_first_metric_with_a_better_side_tells_the_best_weights() -> None:
    top = "metric top = top_k(y, label, k=2)"
    confusion = "metric confusion = confusion_matrix(y, label)"
    perplexity = "metric perplexity = perplexity(y, label)"
    assert monitored(phase_with(confusion, top, perplexity)) == ("top", "max")
    assert monitored(phase_with(perplexity, top)) == ("perplexity", "min")
    assert monitored(phase_with(confusion)) == ("loss", "min")
