"""How long and in what portions a run trains: from the file's sections, and what the caller says instead."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from netdsl.model import Phase
from netruntime.errors import TrainingError

WHOLE = ("epochs", "batch_size", "accumulate", "steps", "save_every", "patience", "prefetch", "seed")
LEAST = {"epochs": 1, "batch_size": 1, "accumulate": 1, "steps": 1, "save_every": 1}


@dataclass(frozen=True)
class Settings:
    """The numbers of a run.

    Args:
        epochs: Passes over the data.
        batch_size: Rows of a batch.
        accumulate: Batches whose gradients are averaged for one update.
        seed: Seeds the first weights, the order of the data, and what is random in the model.
        steps: Ends the run after so many updates, whatever the epochs say.
        save_every: Saves a checkpoint after so many updates too; there is one at the end of each epoch.
        patience: Epochs without an improvement after which the run ends; 0 never ends it so.
        ema: The decay of the running average of the weights; None keeps none.
        prefetch: Batches that are read ahead.
        drop_last: Leave out a last batch that is not full.
    """

    epochs: int = 10
    batch_size: int = 32
    accumulate: int = 1
    seed: int = 0
    steps: int | None = None
    save_every: int | None = None
    patience: int = 0
    ema: float | None = None
    prefetch: int = 2
    drop_last: bool = False


def settings_of(phases: Sequence[Phase], given: Mapping[str, Any]) -> Settings:
    """The settings of a file, with those of `given` in their place; `None` there means not given.

    Raises:
        TrainingError: E1072 where two sections of the file disagree about a number, or one is out of range.
    """
    chosen: dict[str, Any] = {}
    where: dict[str, Phase] = {}
    names = {entry.name for entry in fields(Settings)}
    for phase in phases:
        for name, value in phase.numbers.items():
            if name in chosen and chosen[name] != value and given.get(name) is None:
                _disagree(name, where[name], chosen[name], phase, value)
            if name in names:
                chosen[name], where[name] = value, phase
    chosen |= {name: value for name, value in given.items() if value is not None}
    for name in WHOLE:
        if chosen.get(name) is not None:
            of_file = where.get(name) if given.get(name) is None else None
            chosen[name] = _whole(name, chosen[name], of_file)
    return replace(Settings(), **chosen)


def _whole(name: str, value: Any, phase: Phase | None) -> int:
    least = LEAST.get(name, 0)
    is_number = isinstance(value, numbers.Real) and math.isfinite(value)
    if not is_number or value != int(value) or value < least:
        span = phase.span if phase else None
        told = f"{value:g}" if isinstance(value, numbers.Real) else repr(value)
        message = f"`{name}` is {told}, and must be a whole number of {least} or more"
        raise TrainingError.make("E1072", message, span, help=f"give another {name}")
    return int(value)


def _disagree(name: str, first: Phase, value: float, second: Phase, other: float) -> None:
    message = f"`{name}` is {value:g} in `train {first.name}`, and {other:g} in `train {second.name}`"
    help = "the sections of a file run together: give it once, or the same"
    raise TrainingError.make("E1072", message, second.span, help=help)
