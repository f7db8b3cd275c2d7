"""The totals of a phase over many batches, from which the figures of an epoch are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netdsl.model import Phase
from netdsl.recipes.metrics import MEAN
from netruntime.files.arrays import Array
from netruntime.train.metrics import finish_metric
from netruntime.train.step import LOSS, Outcome


class Totals:
    """The sums of a phase's loss and metrics, in f64.

    The loss and free expressions are means over the rows of the batches; built-in metrics have statistics
    that add up.
    """

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.rows = 0
        self._sums: dict[str, Array] = {}

    def add(self, outcome: Outcome) -> None:
        """Add one batch."""
        self._add(LOSS, np.float64(outcome.loss) * outcome.size)
        for spec in self.phase.metrics:
            value = np.asarray(outcome.statistics[spec.output], np.float64)
            self._add(spec.output, value * outcome.size if spec.kind == MEAN else value)
        self.rows += outcome.size

    def _add(self, name: str, value: Any) -> None:
        known = self._sums.get(name)
        self._sums[name] = np.asarray(value) if known is None else known + value

    @property
    def loss(self) -> float:
        """The mean loss; NaN before the first batch."""
        return float(self._sums[LOSS] / self.rows) if self.rows else float("nan")

    def metrics(self) -> dict[str, Any]:
        """The metrics by name: numbers, or arrays for tables; empty before the first batch."""
        return {
            spec.name: self._sums[spec.output] / self.rows
            if spec.kind == MEAN
            else finish_metric(spec, self._sums[spec.output])
            for spec in self.phase.metrics
            if self.rows
        }

    def to_arrays(self) -> dict[str, Array]:
        """The arrays to save in a checkpoint for an unfinished epoch."""
        return {"rows": np.asarray(self.rows, np.int64), **self._sums}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Restore the result of `to_arrays`."""
        self._sums = {name: np.array(array) for name, array in arrays.items() if name != "rows"}
        self.rows = int(arrays["rows"])
