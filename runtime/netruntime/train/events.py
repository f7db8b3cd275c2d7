"""What a run reports to its watchers: the display, the records, and the caller's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class StepEvent:
    """One update of one phase.

    `step` counts updates from 1, `epoch` from 0; `loss` and `metrics` are those of its batches; `lr` is the
    rate that was used, `grad_norm` the norm of the gradients before clipping; `seconds` are since the run
    began, `samples` the rows of the batches.
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


@dataclass(frozen=True)
class EpochEvent:
    """The end of an epoch: what each phase measured over it, and over the validation data if there are any.

    `train` and `valid` map names of phases to their figures, `loss` first. `best` says whether it is the best
    epoch so far by `monitor`.
    """

    epoch: int
    step: int
    train: Mapping[str, Mapping[str, Any]]
    valid: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    monitor: str = "loss"
    best: bool = False
    seconds: float = 0.0


class Watcher(Protocol):
    """Observer of a run."""

    def on_step(self, event: StepEvent) -> None: ...

    def on_epoch(self, event: EpochEvent) -> None: ...
