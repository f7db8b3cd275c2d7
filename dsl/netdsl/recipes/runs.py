"""The numeric settings of a run, such as its length and batch size: their defaults and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from netdsl.immutable import immutable
from netdsl.recipes.limits import COUNT, LENGTH, NOT_NEGATIVE, SHARE, Choice
from netdsl.recipes.recipe import Argument, Recipe, count, number, optional_count, optional_number, switch

Mode = Literal["min", "max"]
"""Whether a lower or a higher figure is better."""
AverageStart = Literal["corrected", "warmup", "first"]
MODES = ("min", "max")
AVERAGE_STARTS = ("corrected", "warmup", "first")


@immutable(kw_only=True)
class RunSettings(Recipe):
    """The numbers of a run.

    Args:
        epochs: Passes over the data.
        batch_size: The number of rows in a batch.
        accumulate: Batches for one update, which count as one batch with all their rows.
        seed: The seed of the initial weights, of the order of the data, and of random operators in the model.
        steps: Ends the run after this many updates, regardless of the epochs.
        save_every: Also saves a checkpoint every this many updates, besides the one after each epoch.
        patience: Epochs without an improvement after which the run ends; 0 disables this.
        ema: The decay of the running average of the weights; None keeps none.
        prefetch: The number of batches to read ahead.
        drop_last: Whether to drop a last batch that is not full.
    """

    epochs: int = count(10, LENGTH)
    batch_size: int = count(32, LENGTH)
    accumulate: int = count(1, LENGTH)
    seed: int = count(0, COUNT)
    steps: int | None = optional_count(LENGTH)
    save_every: int | None = optional_count(LENGTH)
    patience: int = count(0, COUNT)
    ema: float | None = optional_number(SHARE)
    prefetch: int = count(2, COUNT)
    drop_last: bool = switch(False)


@immutable(kw_only=True)
class SectionSettings(Recipe):
    """The numeric setting that each `train` section has of its own.

    Args:
        every: `n` if the section updates its weights every n-th step.
    """

    every: int = count(1, LENGTH)


@immutable(kw_only=True)
class StoppingRecipe(Recipe):
    """Early stopping.

    Args:
        patience: Consecutive observations without an improvement after which to stop; 0 never stops.
        min_delta: The difference that an improvement must exceed.
        mode: Whether lower (`min`) or higher (`max`) is better.
    """

    patience: int = count(10, COUNT)
    min_delta: float = number(0.0, NOT_NEGATIVE)
    mode: Mode = field(default="min", metadata={"limit": Choice("`min` or `max`", MODES), "last": False})


@immutable(kw_only=True)
class AverageRecipe(Recipe):
    """The running average of the weights.

    Args:
        ema: The decay.
        start: How the weight of the first values is limited.
    """

    ema: float = number(0.999, SHARE)
    start: AverageStart = field(
        default="corrected",
        metadata={"limit": Choice(f"one of {', '.join(AVERAGE_STARTS)}", AVERAGE_STARTS), "last": False},
    )


_IN_SECTIONS = ("epochs", "batch_size", "accumulate", "ema", "patience", "steps", "every", "seed")
_ALL = {**RunSettings.arguments(), **SectionSettings.arguments()}
NUMBERS: Mapping[str, Argument] = {name: _ALL[name] for name in _IN_SECTIONS}
"""The settings of a `train` section that are one number."""
CALLER_SETTINGS = ("epochs", "steps", "batch_size", "accumulate", "ema", "patience", "save_every", "seed")
"""The numbers of a run that a command line or a Python caller may set instead of the file."""
