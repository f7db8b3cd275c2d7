"""Schedules: the factor on the learning rate at each step. All lengths are in steps (updates)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from netdsl.immutable import immutable
from netdsl.recipes import Recipe
from netdsl.recipes import schedules as recipes
from netdsl.source import Span
from netruntime.train.early_stopping import Best, StoppingState, restore_error
from netruntime.train.update.building import build


class Schedule(Recipe, ABC):
    """A factor on the rate, by the number of updates already made.

    Raises:
        RecipeError: E1080 for a value out of its range.
    """

    @abstractmethod
    def multiplier(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """The factor for the update that follows `step` updates.

        Args:
            step: 0 for the first update.
            total_steps: The length of the run; beyond it, decaying factors keep their final value.
            steps_per_epoch: The length of an epoch.
        """

    def observe(self, value: float) -> None:
        """Record the loss of an epoch, lower being better; only `plateau` uses it."""

    def state(self) -> StoppingState:
        """The state to save in a checkpoint, besides the step: plain numbers."""
        return {}

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Restore a saved state. Raises `TrainingError` E1083 if it is from another schedule."""
        if state:
            raise restore_error("this schedule", dict(state))


@immutable(kw_only=True)
class ConstantSchedule(recipes.ConstantRecipe, Schedule):
    """1 after the warm-up; the base of all schedules with a warm-up.

    Args:
        warmup: Steps of linear increase before the schedule itself begins: `(step + 1) / (warmup + 1)`.
    """

    def multiplier(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return self.after_warmup(step - self.warmup, max(total_steps - self.warmup, 1), steps_per_epoch)

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        """The factor `step` steps after the warm-up, of which there are `length`."""
        return 1.0


@immutable(kw_only=True)
class StepSchedule(recipes.StepRecipe, ConstantSchedule):
    """`factor ^ ⌊step / every⌋`; `every` defaults to an epoch. `StepLR` of PyTorch."""

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        return float(self.factor ** (step // (self.every or steps_per_epoch)))


@immutable(kw_only=True)
class ExponentialSchedule(recipes.ExponentialRecipe, ConstantSchedule):
    """`factor ^ (step / every)`; `every` defaults to an epoch.

    With `every=1`, PyTorch's `ExponentialLR` applied at each update.
    """

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        return float(self.factor ** (step / (self.every or steps_per_epoch)))


@immutable(kw_only=True)
class CosineSchedule(recipes.CosineRecipe, ConstantSchedule):
    """Half a cosine from 1 to `final` over the rest of the run.

    Source: Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts; `CosineAnnealingLR`.
    """

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        return _cosine(1.0, self.final, step / length)


@immutable(kw_only=True)
class LinearSchedule(recipes.LinearRecipe, ConstantSchedule):
    """A straight line from 1 to `final` over the rest of the run. `LinearLR` of PyTorch."""

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        return 1 + (self.final - 1) * min(step / length, 1.0)


@immutable(kw_only=True)
class OneCycleSchedule(recipes.OneCycleRecipe, Schedule):
    """Half a cosine from 1/25 up to 1 in `warmup` steps, then one down to `final`.

    The warm-up defaults to three tenths of the run. Source: Smith and Topin, "Super-Convergence", 2018; the
    form and the defaults of `OneCycleLR`.
    """

    def multiplier(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        last = max(total_steps - 1, 1)
        top = (0.3 * total_steps if self.warmup is None else self.warmup) - 1
        if step <= top:
            return _cosine(1 / 25, 1.0, step / top if top > 0 else 1.0)
        return _cosine(1.0, self.final, (step - max(top, 0)) / max(last - max(top, 0), 1))


@immutable(kw_only=True)
class NoamSchedule(recipes.NoamRecipe, Schedule):
    """`size^-0.5 min(step^-0.5, step warmup^-1.5)`, counted from 1; `size` is the model's number of features.

    Source: Vaswani et al., "Attention Is All You Need", 2017, equation 3. It is the rate itself, so set the
    optimizer's `lr` to 1, or to a factor on the paper's rate.
    """

    def multiplier(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        count = step + 1
        return math.pow(self.size, -0.5) * min(math.pow(count, -0.5), count * math.pow(self.warmup, -1.5))


@dataclass
class _PlateauState:
    """The state of a `plateau`: its factor and its observations."""

    best: Best = field(default_factory=Best)
    factor: float = 1.0


@immutable(kw_only=True)
class PlateauSchedule(recipes.PlateauRecipe, ConstantSchedule):
    """Multiplies the rate by `factor` when the loss has not improved for more than `patience` observations.

    An improvement is relative: it exceeds `threshold` times the best value. The factor never falls below
    `final`. `ReduceLROnPlateau` of PyTorch, with its defaults. The only schedule that has a state.
    """

    progress: _PlateauState = field(default_factory=_PlateauState, init=False, repr=False, compare=False)

    def after_warmup(self, step: float, length: float, steps_per_epoch: int) -> float:
        return self.progress.factor

    def observe(self, value: float) -> None:
        best = self.progress.best
        best.observe(value, self.threshold * abs(best.value or 0.0))
        if best.bad > self.patience:
            best.bad = 0
            self.progress.factor = max(self.progress.factor * self.factor, self.final)

    def state(self) -> StoppingState:
        return {**self.progress.best.state(), "factor": self.progress.factor}

    def restore(self, state: Mapping[str, float | None]) -> None:
        try:
            self.progress.factor = float(state["factor"] or 0.0)
            self.progress.best.restore(state)
        except (KeyError, TypeError, ValueError):
            raise restore_error("`plateau`", dict(state)) from None


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": ConstantSchedule,
    "step": StepSchedule,
    "exponential": ExponentialSchedule,
    "cosine": CosineSchedule,
    "linear": LinearSchedule,
    "one_cycle": OneCycleSchedule,
    "noam": NoamSchedule,
    "plateau": PlateauSchedule,
}


def make_schedule(name: str, arguments: Mapping[str, float | bool], span: Span | None = None) -> Schedule:
    """The schedule `name` with these arguments; the others have the defaults of its class.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for an unknown name or
    argument.
    """
    return build("a schedule", SCHEDULES, name, arguments, span)
