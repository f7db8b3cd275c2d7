"""Evaluation of weights on data: the losses and metrics of the file's `train` sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from netdsl.model import Phase
from netruntime.data import Augment, Dataset, batches
from netruntime.engine.backends import Device
from netruntime.engine.room import room_for
from netruntime.train.statistics.finish import Finish
from netruntime.train.step import LOSS, Computed, LossGraph, outcomes
from netruntime.train.totals import Totals

SEED = 0
"""Random operators draw the same numbers at every evaluation."""

Advance = Callable[[int, int], None]
"""Called with the number of rows of a batch that is done, and with that of all rows."""
READ_EVERY = 16
"""Batches after which their figures are read, which waits for a GPU."""


class Evaluator:
    """Evaluates the phases of a file, checked without training: dropout is off, for example.

    Args:
        augment: Augmentation that also applies at evaluation, such as `normalise`.
    """

    def __init__(self, phases: Sequence[Phase], device: Device, augment: Augment | None = None) -> None:
        self.augment = augment
        self.device = device
        self.graphs = [LossGraph(phase, device) for phase in phases]
        self._finish = {graph.phase.name: Finish(graph.split) for graph in self.graphs}

    def figures(
        self,
        weights: Mapping[str, Any],
        data: Dataset | None,
        batch_size: int,
        advance: Advance = lambda done, total: None,
    ) -> dict[str, dict[str, Any]]:
        """The loss and the metrics of each phase over all rows, by its name; empty without data.

        Args:
            weights: Arrays of the device by label path.
            advance: Called after each batch.

        Raises:
            DataInputError: for a batch that does not fit; E0822 if memory runs out.
        """
        if data is None:
            return {}
        with room_for("an evaluation", self.device):
            return self._figures(weights, data, batch_size, advance)

    def _figures(
        self, weights: Mapping[str, Any], data: Dataset, batch_size: int, advance: Advance
    ) -> dict[str, dict[str, Any]]:
        totals = {graph.phase.name: Totals(graph, self._finish[graph.phase.name]) for graph in self.graphs}
        stream = batches(data, batch_size, shuffle=False, augment=self.augment)
        unread: list[tuple[Totals, Computed]] = []
        with closing(stream):  # type: ignore[type-var]
            for number, batch in enumerate(stream):
                for graph in self.graphs:
                    unread.append((totals[graph.phase.name], graph.start(batch, weights, SEED + number)))
                left = len(data) - number * batch_size
                advance(left if data.one_example is not None else min(batch_size, left), len(data))
                if len(unread) >= READ_EVERY:
                    self._read(unread)
        self._read(unread)
        return {name: {LOSS: total.loss, **total.metrics()} for name, total in totals.items()}

    def _read(self, unread: list[tuple[Totals, Computed]]) -> None:
        """Add the batches to their totals, in order, and forget them."""
        results, _ = outcomes(self.device, [computed for _, computed in unread])
        for (totals, _), outcome in zip(unread, results, strict=True):
            totals.add(outcome)
        unread.clear()
