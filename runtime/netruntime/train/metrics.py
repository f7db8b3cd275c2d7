"""Metrics computed from the statistics of batches, by the formulas that `netdsl.recipes.metrics` names.

The blocks in `netdsl/std/metrics.net` compute the statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netdsl.model import MetricSpec, Phase
from netdsl.ops.contract.base import Array
from netdsl.recipes.metrics import MEAN, METRICS, Finish
from netdsl.recipes.runs import Mode


def finish_metric(spec: MetricSpec, statistics: Array) -> float | Array:
    """The metric from the sums of its statistics over all batches; NaN if there is nothing to measure.

    Args:
        statistics: In f64, of the shape of the phase's output for the metric.

    Returns:
        A number; for `confusion_matrix` the counts themselves, [labels, predictions].
    """
    sums = np.asarray(statistics, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _FINISHERS["value" if spec.kind == MEAN else METRICS[spec.kind].finish](sums, spec.arguments)


def higher_is_better(spec: MetricSpec) -> bool | None:
    """Whether a larger value is better; None if that is not known.

    The direction of a free expression follows from its name: that of a built-in metric, or one that ends
    like it.
    """
    name = spec.name if spec.kind == MEAN else spec.kind
    for metric in METRICS.values():
        if metric.better and (name == metric.block or name.endswith(f"_{metric.block}")):
            return metric.better == "max"
    return None


def monitored(phase: Phase) -> tuple[str, Mode]:
    """What selects the best weights: the first metric of a phase with a known direction, else the loss."""
    for spec in phase.metrics:
        better = higher_is_better(spec)
        if better is not None:
            return spec.name, "max" if better else "min"
    return "loss", "min"


# -- the formulas --------------------------------------------------------------------------------


def _ratio(sums: Array, arguments: Mapping[str, Any]) -> float:
    return float(np.divide(sums[0], sums[1]))


def _exp_ratio(sums: Array, arguments: Mapping[str, Any]) -> float:
    """exp of the mean negative log-likelihood."""
    return float(np.exp(_ratio(sums, arguments)))


def _counts(sums: Array, arguments: Mapping[str, Any]) -> Array:
    return sums


def _f1(counts: Array, arguments: Mapping[str, Any]) -> float:
    """The harmonic mean of precision and recall (van Rijsbergen 1979), averaged over classes.

    `macro` and `weighted` are over the classes that occur as a label or a prediction; a class without a
    correct prediction has 0. `binary` is the value of class 1.
    """
    right = np.diagonal(counts)
    labels, predicted = counts.sum(axis=1), counts.sum(axis=0)
    average = arguments["average"]
    if average == "micro":
        return float(right.sum() / counts.sum())
    scores = np.where(labels + predicted > 0, 2 * right / np.maximum(labels + predicted, 1), np.nan)
    if average == "binary":
        return float(scores[1]) if len(scores) > 1 else float("nan")
    met = labels + predicted > 0
    weight = labels[met] if average == "weighted" else np.ones(int(met.sum()))
    return float(np.sum(scores[met] * weight) / np.sum(weight))


def _r2(sums: Array, arguments: Mapping[str, Any]) -> float:
    """The fraction of variance explained, averaged over outputs; NaN if all targets are equal."""
    count, total, squares, missed = sums
    variance = squares - total**2 / count
    scores = np.where(variance > 0, 1 - missed / variance, np.nan)
    return float(np.mean(scores)) if scores.size else float("nan")


_FINISHERS: dict[Finish, Callable[[Array, Mapping[str, Any]], float | Array]] = {
    "value": lambda sums, arguments: float(sums),
    "ratio": _ratio,
    "exp_ratio": _exp_ratio,
    "counts": _counts,
    "f1": _f1,
    "r2": _r2,
}
