"""Measuring weights on data: the losses and metrics of the file's `train` sections, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from netdsl.model import Phase
from netruntime.data import Augment, Dataset, batches
from netruntime.engine.backends import Device
from netruntime.train.step import LOSS, LossGraph
from netruntime.train.totals import Totals

SEED = 0
"""What is random in a model is drawn alike at every evaluation."""


class Evaluator:
    """The phases of a file, checked without training, so that dropout keeps all and so on.

    Args:
        augment: What is done to pictures at evaluation too, such as `normalise`.
    """

    def __init__(self, phases: Sequence[Phase], device: Device, augment: Augment | None = None) -> None:
        self.augment = augment
        self.graphs = [LossGraph(phase, device) for phase in phases]

    def figures(
        self, weights: Mapping[str, Any], data: Dataset | None, batch_size: int
    ) -> dict[str, dict[str, Any]]:
        """The loss and the metrics of each phase over all rows, by its name; nothing without data.

        Args:
            weights: Arrays of the device by label path.
        """
        if data is None:
            return {}
        totals = {graph.phase.name: Totals(graph.phase) for graph in self.graphs}
        made = batches(data, batch_size, shuffle=False, augment=self.augment)
        with closing(made):  # type: ignore[type-var]
            for number, batch in enumerate(made):
                for graph in self.graphs:
                    totals[graph.phase.name].add(graph.compute(batch, weights, SEED + number))
        return {name: {LOSS: total.loss, **total.metrics()} for name, total in totals.items()}
