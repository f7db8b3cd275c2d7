"""Schedules: the factor on the learning rate at each step. All lengths are in steps (updates)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from netdsl.source import Span
from netruntime.train.early_stopping import Best, State, restore_error
from netruntime.train.update.bounds import (
    COUNT,
    FACTOR,
    FRACTION,
    LENGTH,
    NOT_NEGATIVE,
    Checked,
    build,
    number,
    optional,
)


class Schedule(Checked, ABC):
    """A factor on the rate, by the number of updates already made.

    Raises `TrainingError` E1080 for a value out of its range.
    """

    @abstractmethod
    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """The factor for the update that follows `step` updates.

        Args:
            step: 0 for the first update.
            total_steps: The length of the run; beyond it, what falls to an end stays there.
            steps_per_epoch: The length of an epoch.
        """

    def observe(self, value: float) -> None:
        """Take the loss of an epoch, lower being better; only `plateau` minds it."""

    def state(self) -> State:
        """What a checkpoint keeps beside the step; plain numbers."""
        return {}

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Go on from a saved state. Raises `TrainingError` E1083 where it is not of this schedule."""
        if state:
            raise restore_error("this schedule", dict(state))


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """1 after the warm-up, and the base of all schedules with one.

    Args:
        warmup: Steps of linear rise before the schedule itself begins: `(step + 1) / (warmup + 1)`.
    """

    warmup: float = number(0, COUNT)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return self.after(step - self.warmup, max(total_steps - self.warmup, 1), steps_per_epoch)

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        """The factor `step` steps after the warm-up, of which there are `length`."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Step(Constant):
    """`factor ^ ⌊step / every⌋`; `every` is an epoch where it is not given. `StepLR` of PyTorch."""

    every: float | None = optional(LENGTH)
    decay: float = number(0.1, FACTOR, "factor")

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        return float(self.decay ** (step // (self.every or steps_per_epoch)))


@dataclass(frozen=True, kw_only=True)
class Exponential(Constant):
    """`factor ^ (step / every)`; `every` is an epoch where it is not given.

    With `every=1` the `ExponentialLR` of PyTorch, taken at each update.
    """

    every: float | None = optional(LENGTH)
    decay: float = number(0.95, FACTOR, "factor")

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        return float(self.decay ** (step / (self.every or steps_per_epoch)))


@dataclass(frozen=True, kw_only=True)
class Cosine(Constant):
    """Half a cosine from 1 to `final` over the rest of the run.

    Source: Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts; `CosineAnnealingLR`.
    """

    final: float = number(0.0, FRACTION)

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        return _cosine(1.0, self.final, step / length)


@dataclass(frozen=True, kw_only=True)
class Linear(Constant):
    """A straight line from 1 to `final` over the rest of the run. `LinearLR` of PyTorch."""

    final: float = number(0.0, FRACTION)

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        return 1 + (self.final - 1) * min(step / length, 1.0)


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Half a cosine from 1/25 up to 1 in `warmup` steps, then one down to `final`.

    The warm-up is three tenths of the run where it is not given. Source: Smith and Topin,
    "Super-Convergence", 2018; the form and the defaults of `OneCycleLR`.
    """

    warmup: float | None = optional(COUNT)
    final: float = number(4e-6, FRACTION)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        last = max(total_steps - 1, 1)
        top = (0.3 * total_steps if self.warmup is None else self.warmup) - 1
        if step <= top:
            return _cosine(1 / 25, 1.0, step / top if top > 0 else 1.0)
        return _cosine(1.0, self.final, (step - max(top, 0)) / max(last - max(top, 0), 1))


@dataclass(frozen=True, kw_only=True)
class Noam(Schedule):
    """`size^-0.5 min(step^-0.5, step warmup^-1.5)`, counted from 1; `size` is that of the model's vectors.

    Source: Vaswani et al., "Attention Is All You Need", 2017, equation 3. It gives the rate itself, so the
    optimizer's `lr` is 1, or a factor on the paper's.
    """

    warmup: float = number(4000, LENGTH)
    size: float = number(512, LENGTH)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        count = step + 1
        return math.pow(self.size, -0.5) * min(math.pow(count, -0.5), count * math.pow(self.warmup, -1.5))


@dataclass
class _Reached:
    """How far a `plateau` has come down."""

    best: Best = field(default_factory=Best)
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Plateau(Constant):
    """The rate times `factor` whenever the loss did not improve for more than `patience` observations.

    An improvement is larger than `threshold` of the best. The factor never falls below `final`.
    `ReduceLROnPlateau` of PyTorch, with its defaults. The one schedule that has a state.
    """

    decay: float = number(0.1, FACTOR, "factor")
    patience: float = number(10, COUNT)
    threshold: float = number(1e-4, NOT_NEGATIVE)
    final: float = number(0.0, FRACTION)
    reached: _Reached = field(default_factory=_Reached, init=False, repr=False, compare=False)

    def after(self, step: float, length: float, steps_per_epoch: int) -> float:
        return self.reached.factor

    def observe(self, value: float) -> None:
        best = self.reached.best
        best.observe(value, self.threshold * abs(best.value or 0.0))
        if best.bad > self.patience:
            best.bad = 0
            self.reached.factor = max(self.reached.factor * self.decay, self.final)

    def state(self) -> State:
        return {**self.reached.best.state(), "factor": self.reached.factor}

    def restore(self, state: Mapping[str, float | None]) -> None:
        try:
            self.reached.factor = float(state["factor"] or 0.0)
            self.reached.best.restore(state)
        except (KeyError, TypeError, ValueError):
            raise restore_error("`plateau`", dict(state)) from None


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
    "linear": Linear,
    "one_cycle": OneCycle,
    "noam": Noam,
    "plateau": Plateau,
}


def make_schedule(name: str, arguments: Mapping[str, float | bool], span: Span | None = None) -> Schedule:
    """The schedule `name` with these arguments; the others have the defaults of its class.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for an unknown name or
    argument.
    """
    return build("schedule", SCHEDULES, name, arguments, span)
