"""The totals of a phase over many batches, from which the figures of an epoch are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netdsl.recipes.metrics import MEAN
from netruntime.files.arrays import Array
from netruntime.train.metrics import finish_metric
from netruntime.train.statistics.finish import Finish
from netruntime.train.statistics.joint import all_sizes
from netruntime.train.statistics.kinds import Reading
from netruntime.train.step import LOSS, LossGraph, Outcome


class Totals:
    """The statistics of a phase's loss and metrics, in f64.

    The figures are those of one batch with all of the rows, whatever the sizes of the batches were.

    Args:
        graph: The loss of the phase.
        finish: Computes the loss and the free metrics from their statistics.
    """

    def __init__(self, graph: LossGraph, finish: Finish) -> None:
        self.graph = graph
        self.finish = finish
        self.rows = 0
        self._batches = 0
        self._last: Outcome | None = None
        self._sums: dict[str, Array] = {}
        self._readings: tuple[Reading, ...] = ()
        self._sizes: dict[str, int] = {}

    def add(self, outcome: Outcome) -> None:
        """Add one batch."""
        for spec in self.graph.phase.metrics:
            if spec.kind != MEAN:
                value = np.asarray(outcome.statistics[spec.output], np.float64)
                self._sums[spec.output] = self._sums.get(spec.output, 0) + value
        pairs = zip(self.finish.split.statistics, self._readings, outcome.readings, strict=True)
        self._readings = (
            tuple(statistic.combine([a, b]) for statistic, a, b in pairs) if self.rows else outcome.readings
        )
        known = [self._sizes] if self.rows else []
        self._sizes = all_sizes(self.finish.split.batch, [*known, outcome.sizes])
        self.rows += outcome.size
        self._batches += 1
        self._last = outcome

    @property
    def loss(self) -> float:
        """The loss; NaN before the first batch."""
        return self._figures()[LOSS] if self.rows else float("nan")

    def metrics(self) -> dict[str, Any]:
        """The metrics by name: numbers, or arrays for tables; empty before the first batch."""
        figures = self._figures() if self.rows else {}
        return {
            spec.name: figures[spec.output]
            if spec.kind == MEAN
            else finish_metric(spec, self._sums[spec.output])
            for spec in self.graph.phase.metrics
            if self.rows
        }

    def _figures(self) -> dict[str, float]:
        last = self._last
        if self._batches == 1 and last is not None:
            return {
                name: last.loss if name == LOSS else float(last.statistics[name])
                for name in self.finish.names
            }
        return self.finish.values(self._readings, self._sizes)

    def to_arrays(self) -> dict[str, Array]:
        """The arrays to save in a checkpoint for an unfinished epoch."""
        counts = {"rows": self.rows, **{f"size/{name}": size for name, size in self._sizes.items()}}
        return {
            **{name: np.asarray(count, np.int64) for name, count in counts.items()},
            **{f"sum/{name}": np.asarray(array) for name, array in self._sums.items()},
            **{f"reading/{n}": reading.to_array() for n, reading in enumerate(self._readings)},
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Restore the result of `to_arrays`."""
        own = {kind: _under(kind, arrays) for kind in ("size", "sum", "reading")}
        self.rows = int(arrays["rows"])
        self._sizes = {name: int(size) for name, size in own["size"].items()}
        self._sums = {name: np.array(array) for name, array in own["sum"].items()}
        count = len(own["reading"])
        self._readings = tuple(Reading.from_array(own["reading"][str(n)]) for n in range(count))
        self._batches, self._last = 2, None


def _under(kind: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name.removeprefix(f"{kind}/"): array for name, array in arrays.items() if name.startswith(f"{kind}/")
    }
