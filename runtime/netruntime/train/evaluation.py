"""Evaluation of weights on data: the losses and metrics of the file's `train` sections."""

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
"""Random operators draw the same numbers at every evaluation."""


class Evaluator:
    """Evaluates the phases of a file, checked without training: dropout is off, for example.

    Args:
        augment: Augmentation that also applies at evaluation, such as `normalise`.
    """

    def __init__(self, phases: Sequence[Phase], device: Device, augment: Augment | None = None) -> None:
        self.augment = augment
        self.graphs = [LossGraph(phase, device) for phase in phases]

    def figures(
        self, weights: Mapping[str, Any], data: Dataset | None, batch_size: int
    ) -> dict[str, dict[str, Any]]:
        """The loss and the metrics of each phase over all rows, by its name; empty without data.

        Args:
            weights: Arrays of the device by label path.
        """
        if data is None:
            return {}
        totals = {graph.phase.name: Totals(graph.phase) for graph in self.graphs}
        stream = batches(data, batch_size, shuffle=False, augment=self.augment)
        with closing(stream):  # type: ignore[type-var]
            for number, batch in enumerate(stream):
                for graph in self.graphs:
                    totals[graph.phase.name].add(graph.compute(batch, weights, SEED + number))
        return {name: {LOSS: total.loss, **total.metrics()} for name, total in totals.items()}
