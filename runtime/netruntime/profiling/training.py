"""The profile of a training step: forward, backward, and the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netruntime.arguments import check_count
from netruntime.profiling.measuring import MAX_REPEATS, Profile, measured
from netruntime.train.phase import Length
from netruntime.train.trainer import Trainer


def profile_training(
    trainer: Trainer,
    batches: Sequence[Mapping[str, Any]],
    length: Length,
    repeats: int = 5,
    *,
    name: str = "",
) -> Profile:
    """Measure the operators of training steps; the weights of the trainer change.

    What is not an operator, such as the update of the weights, is in `other_seconds`.

    Args:
        batches: What one update is made from, as for `Trainer.advance`.
        length: The length of the run, for schedules.
        name: What the profile is called; the first section by default.

    Raises:
        TrainingError, DataInputError: as `Trainer.advance`.
    """
    check_count(repeats, "repeats", 1, MAX_REPEATS)

    def step() -> None:
        trainer.advance(batches, length)

    name = name or trainer.phases[0].phase.model.name
    return measured(name, watched=step, repeats=repeats)
