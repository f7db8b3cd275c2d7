"""The events that a run reports to its watchers: the display, the records, and the caller's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

import numpy as np

from netdsl.immutable import immutable


@immutable
class StepEvent:
    """One update of one phase.

    `step` counts updates from 1, `epoch` from 0. `loss` and `metrics` are over its batches, `samples` is
    their number of rows. `lr` is the learning rate, `grad_norm` the norm of the gradients before clipping,
    `seconds` the time since the run began.
    """

    step: int
    epoch: int
    phase: str
    loss: float
    metrics: Mapping[str, Any]
    lr: float
    grad_norm: float
    seconds: float
    samples: int


@immutable
class EpochEvent:
    """The end of an epoch, with the figures of each phase on the training and the validation data.

    `train` and `valid` map names of phases to their figures, `loss` first; `valid` is empty without
    validation data. `best` is whether it is the best epoch so far by `monitor`.
    """

    epoch: int
    step: int
    train: Mapping[str, Mapping[str, Any]]
    valid: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    monitor: str = "loss"
    best: bool = False
    seconds: float = 0.0

    def __repr__(self) -> str:
        parts = [f"epoch={self.epoch}", f"step={self.step}"]
        for word, phases in (("train", self.train), ("valid", self.valid)):
            parts += [f"{word}={{{', '.join(_short(name, each) for name, each in phases.items())}}}"]
        return f"EpochEvent({', '.join(parts)}, best={self.best}, seconds={self.seconds:.1f})"


def _short(phase: str, measured: Mapping[str, Any]) -> str:
    """The figures of a phase, with the shapes of its tables in place of their numbers."""
    texts = [
        f"{name!r}: {value:.4g}" if np.ndim(value) == 0 else f"{name!r}: array{np.shape(value)}"
        for name, value in measured.items()
    ]
    return f"{phase!r}: {{{', '.join(texts)}}}"


class Watcher(Protocol):
    """Observer of a run."""

    def on_step(self, event: StepEvent) -> None: ...

    def on_epoch(self, event: EpochEvent) -> None: ...
