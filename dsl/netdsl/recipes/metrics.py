"""The built-in metrics of a `train` section.

Each is a block of its name in `netdsl/std/metrics.net`, which declares its arguments and their defaults and
returns the statistics of a batch. Those of all batches are summed, and the metric is computed from the sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from netdsl.immutable import immutable
from netdsl.recipes.limits import INTEGER, LENGTH, Choice, Limit
from netdsl.recipes.runs import Mode

Finish = Literal["value", "ratio", "exp_ratio", "counts", "f1", "r2"]
"""How a metric is computed from the sums: as one number, the first divided by the second, exp of that,
as a table, F1 scores of a confusion matrix, the coefficient of determination."""
F1_AVERAGES = ("macro", "micro", "weighted", "binary")


@immutable
class Metric:
    """A built-in metric.

    Args:
        block: The name of its block, which is the name of the metric.
        finish: How it is computed from the sums.
        better: Whether a lower (`min`) or a higher (`max`) value is better; None if neither is.
        limits: The valid values of its static arguments.
    """

    block: str
    finish: Finish
    better: Mode | None
    limits: Mapping[str, Limit] = field(default_factory=dict)


_IGNORE = {"ignore": INTEGER}

METRICS: Mapping[str, Metric] = {
    metric.block: metric
    for metric in (
        Metric("accuracy", "ratio", "max", _IGNORE),
        Metric("top_k", "ratio", "max", {"k": LENGTH, **_IGNORE}),
        Metric("perplexity", "exp_ratio", "min", _IGNORE),
        Metric("confusion_matrix", "counts", None, _IGNORE),
        Metric(
            "f1",
            "f1",
            "max",
            {"average": Choice("macro, micro, weighted or binary", F1_AVERAGES), **_IGNORE},
        ),
        Metric("mse", "ratio", "min"),
        Metric("r2", "r2", "max"),
    )
}
MEAN = "mean"
"""The kind of a metric that is an arbitrary expression, averaged over rows."""
