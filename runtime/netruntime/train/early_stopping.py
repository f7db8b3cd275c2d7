"""Watching a metric for improvement, and stopping when it no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from netdsl.immutable import immutable
from netdsl.recipes.runs import Mode, StoppingRecipe
from netruntime.errors import TrainingError

StoppingState = dict[str, float | None]


@dataclass
class Best:
    """The best value so far, and the number of values since then."""

    mode: Mode = "min"
    value: float | None = None
    bad: int = 0

    def observe(self, value: float, margin: float = 0.0) -> bool:
        """Record a value; return whether it is better than the best by more than `margin`.

        A value that is not finite is never better.
        """
        change = value if self.value is None else value - self.value
        gain = -change if self.mode == "min" else change
        better = math.isfinite(value) and (self.value is None or gain > margin)
        if better:
            self.value = value
        self.bad = 0 if better else self.bad + 1
        return better

    def state(self) -> StoppingState:
        return {"best": self.value, "bad": self.bad}

    def restore(self, state: Mapping[str, float | None]) -> None:
        best, bad = state["best"], state["bad"]
        self.value = None if best is None else float(best)
        self.bad = int(bad or 0)


def restore_error(what: str, state: object) -> TrainingError:
    """E1083 for a saved state that is not a state of `what`."""
    message = f"the saved training state does not fit: {state!r:.160} is not a state of {what}"
    return TrainingError.make("E1083", message, help="continue with the settings it was saved with")


@immutable(kw_only=True)
class EarlyStopping(StoppingRecipe):
    """Stops after `patience` consecutive observations without an improvement.

    Raises:
        RecipeError: E1080 for a value out of its range.
    """

    def start(self) -> Watch:
        """A watch without observations."""
        return Watch(self, Best(self.mode))


@dataclass
class Watch:
    """A run under early stopping."""

    rule: EarlyStopping
    best: Best

    @property
    def stop(self) -> bool:
        """Whether the run should stop."""
        return 0 < self.rule.patience <= self.best.bad

    def observe(self, value: float) -> bool:
        """Record the metric of an epoch; return whether it is the best so far."""
        return self.best.observe(value, self.rule.min_delta)

    @property
    def has_best(self) -> bool:
        """Whether some observation was the best."""
        return self.best.value is not None

    def is_first(self, value: float) -> bool:
        """Whether this finite value would be the first; nothing is recorded."""
        return not self.has_best and math.isfinite(value)

    def state(self) -> StoppingState:
        """The state to save in a checkpoint: plain numbers."""
        return self.best.state()

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Restore a saved state. Raises `TrainingError` E1083 if it is not valid."""
        try:
            self.best.restore(state)
        except (KeyError, TypeError, ValueError):
            raise restore_error("early stopping", state) from None
