"""The figures of a run as text, its speed, and its loss as a small curve."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from netruntime.train.events import EpochEvent, StepEvent

WINDOW = 50
"""The number of updates over which the speed is averaged."""
BARS = "▁▂▃▄▅▆▇█"


class Pace:
    """The position and the speed of a run.

    With several phases, each update and its samples count once.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self.total = total
        self.step = done
        self.samples_per_second: float | None = None
        self.seconds_left: float | None = None
        self._recent: deque[tuple[int, float, int]] = deque([(done, 0.0, 0)], maxlen=WINDOW + 1)

    def add(self, event: StepEvent) -> None:
        """Record an update."""
        if event.step == self.step:
            return
        self.step = event.step
        self._recent.append((event.step, event.seconds, event.samples))
        (first, began, _), *rest = self._recent
        seconds = event.seconds - began
        if seconds > 0:
            self.samples_per_second = sum(samples for _, _, samples in rest) / seconds
            self.seconds_left = max(self.total - event.step, 0) * seconds / (event.step - first)


class History:
    """Values over a run of any length, as the means of at most `size` equal parts."""

    def __init__(self, size: int = 256) -> None:
        self.size = size
        self.means: list[float] = []
        self._each = 1
        self._open: list[float] = []

    def add(self, value: float) -> None:
        """Add a value; values that are not finite are ignored."""
        if not math.isfinite(value):
            return
        self._open.append(value)
        if len(self._open) < self._each:
            return
        self.means.append(sum(self._open) / self._each)
        self._open = []
        if len(self.means) == self.size:
            self.means = _halved(self.means)
            self._each *= 2


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve of block characters, at most `width` long; logarithmic if all values are positive."""
    if not values:
        return ""
    heights = [math.log(v) for v in values] if min(values) > 0 else list(values)
    parts = min(width, len(heights))
    cuts = [len(heights) * n // parts for n in range(parts + 1)]
    means = [sum(heights[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


def figure(value: float) -> str:
    """`0.1234`; very large and very small numbers with an exponent."""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def figures(values: Mapping[str, Any], head: str = "") -> str:
    """`loss 0.1234  accuracy 0.9650`, with `head` before each name; tables are omitted."""
    scalars = {name: float(value) for name, value in values.items() if getattr(value, "ndim", 0) == 0}
    return "  ".join(f"{head}{name} {figure(value)}" for name, value in scalars.items())


def duration(seconds: float) -> str:
    """`0:42`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def epoch_line(event: EpochEvent, epochs: int) -> str:
    """An epoch on one line: the figures of each phase on the training and the validation data."""
    parts = [f"epoch {event.epoch + 1:>{len(str(epochs))}}/{epochs}"]
    for phase, measured in event.train.items():
        name = f"{phase} " if phase else ""
        parts.append(figures(measured, name))
        if event.valid.get(phase):
            parts.append(figures(event.valid[phase], f"{name}valid "))
    parts.append(duration(event.seconds))
    return "  ".join([*parts, "best"] if event.best and event.valid else parts)


def folded(line: str, width: int) -> list[str]:
    """A line of figures on lines of at most `width` columns, broken where two spaces separate figures."""
    first, *parts = line.split("  ")
    lines = [first]
    for part in parts:
        if len(lines[-1]) + 2 + len(part) > width and part:
            lines.append(f"    {part}")
        else:
            lines[-1] += f"  {part}"
    return lines


def step_line(events: Mapping[str, StepEvent], pace: Pace, epochs: int) -> str:
    """The position of a run on one line, from the last event of each phase."""
    latest = list(events.values())[-1]
    parts = [f"step {latest.step:,}/{pace.total:,}", f"epoch {latest.epoch + 1}/{epochs}"]
    parts += [measured_text(event) for event in events.values()]
    return "  ".join(parts + pace_texts(pace))


def measured_text(event: StepEvent) -> str:
    """The figures of one phase at an update."""
    measured = figures({"loss": event.loss, **event.metrics}, f"{event.phase} " if event.phase else "")
    return f"{measured}  lr {event.lr:.3g}  gradient {event.grad_norm:.3g}"


def pace_texts(pace: Pace) -> list[str]:
    """`3,210 samples/s` and `0:42 left`, if they are known."""
    texts = []
    if pace.samples_per_second is not None:
        texts.append(f"{pace.samples_per_second:,.0f} samples/s")
    if pace.seconds_left is not None:
        texts.append(f"{duration(pace.seconds_left)} left")
    return texts


def _halved(values: Sequence[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(values[::2], values[1::2], strict=True)]
