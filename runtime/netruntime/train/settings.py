"""The settings of a run: those of the file's sections, and the caller's overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.model import Phase
from netdsl.recipes import Argument, RecipeError, RunSettings
from netdsl.recipes.limits import Bound
from netruntime.errors import TrainingError

MAX_COUNT = 2**63 - 1


def settings_of(phases: Sequence[Phase], overrides: Mapping[str, Any]) -> RunSettings:
    """The settings of a file, overridden by `overrides`, in which `None` means not set.

    Raises:
        TrainingError: E1072 if two sections of the file disagree, or a value is out of range.
    """
    known = RunSettings.arguments()
    own = {name: value for name, value in overrides.items() if value is not None}
    chosen: dict[str, Any] = {}
    where: dict[str, Phase] = {}
    for phase in phases:
        for name, value in phase.numbers.items():
            if name not in known or name in own:
                continue
            if name in chosen and chosen[name] != value:
                _disagree(name, where[name], chosen[name], phase, value)
            chosen[name], where[name] = value, phase
    values = {**chosen, **own}
    return RunSettings(**{name: _checked(known[name], value) for name, value in values.items()})


def _checked(argument: Argument, value: Any) -> Any:
    """The value of a setting, as an integer if it is a count."""
    is_number = isinstance(value, (np.generic, np.ndarray)) and value.dtype != object and value.size == 1
    plain = value.item() if is_number else value
    try:
        argument.check(plain)
    except RecipeError as wrong:
        message = f"`{argument.name}` {wrong.problem}"
        raise TrainingError.make("E1072", message, help=wrong.help) from None
    is_count = isinstance(argument.limit, Bound) and argument.limit.is_integer
    if is_count and abs(plain) > MAX_COUNT:
        message = f"`{argument.name}` must be at most {MAX_COUNT}, the largest 64-bit integer"
        raise TrainingError.make("E1072", message, help="leave it out for no limit, or give a smaller one")
    return int(plain) if is_count else plain


def _disagree(name: str, first: Phase, value: float, second: Phase, other: float) -> None:
    message = f"`{name}` is {value:g} in `train {first.name}`, but {other:g} in `train {second.name}`"
    help = "the sections of a file run together: set it once, or to the same value"
    raise TrainingError.make("E1072", message, second.span, help=help)
