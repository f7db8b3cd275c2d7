"""The ticks of an axis: positions and texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netdsl.immutable import immutable

MANTISSAS = (1.0, 2.0, 2.5, 5.0, 10.0)
WHOLE = (1.0, 2.0, 5.0, 10.0)


@immutable
class TickedAxis:
    """A range of values, and its ticks with their texts."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    is_log: bool = False

    def place(self, value: float) -> float:
        """The position of a value, from 0 at `low` to 1 at `high`; NaN if it cannot be shown."""
        if not self.is_log:
            return (value - self.low) / (self.high - self.low)
        if not value > 0:
            return math.nan
        low = math.log(self.low)
        return (math.log(value) - low) / (math.log(self.high) - low)


def linear_axis(
    values: Sequence[float], count: int = 5, *, tight: bool = False, whole: bool = False
) -> TickedAxis:
    """An axis for the values, with about `count` round ticks, at integers only where `whole` is set.

    `tight` ends at the values themselves.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        low, high = low - abs(low) / 2 - (low == 0), high + abs(high) / 2 + (high == 0)
    step = _round_step((high - low) / count, WHOLE if whole else MANTISSAS)
    step = max(step, 1.0) if whole else step
    first, last = (math.ceil(low / step), math.floor(high / step))
    if not tight:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        low, high = first * step, last * step
    ticks = [n * step for n in range(first, last + 1)]
    exponent = step < 1e-3 or max(abs(low), abs(high)) >= 1e6
    return TickedAxis(low, high, tuple((tick, _text(tick, step, exponent)) for tick in ticks))


def log_axis(values: Sequence[float]) -> TickedAxis:
    """A logarithmic axis for the positive ones of the values, from decade to decade or 1, 2, 5."""
    positive = [value for value in values if value > 0] or [1.0, 10.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    parts = (1, 2, 5) if high - low < 2 else (1,)
    every = max(math.ceil((high - low) / 8), 1)
    decades = range(math.floor(low) - every, math.ceil(high) + every + 1)
    marks = [part * 10.0**n for n in decades if n % every == 0 for part in parts]
    first = max((mark for mark in marks if mark <= min(positive) * (1 + 1e-9)), default=marks[0])
    last = min((mark for mark in marks if mark >= max(positive) * (1 - 1e-9)), default=marks[-1])
    if first == last:
        last = first * 10
    ticks = [mark for mark in marks if first <= mark <= last]
    texts = [_text(tick, tick, not 1e-3 <= tick < 1e6) for tick in ticks]
    return TickedAxis(first, last, tuple(zip(ticks, texts, strict=True)), is_log=True)


def _text(value: float, step: float, exponent: bool) -> str:
    """The value with the digits that `step` needs, `0.25` or `12,000`; `1.5e-5` where `exponent` says so."""
    if value and exponent:
        mantissa, power = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    digits = 0
    while digits < 6 and not math.isclose(round(step, digits), step, rel_tol=1e-6):
        digits += 1
    return f"{value + 0.0:,.{digits}f}" if value else "0"


def _round_step(step: float, mantissas: Sequence[float]) -> float:
    size = 10.0 ** math.floor(math.log10(step))
    return size * next(m for m in mantissas if m * size >= step * (1 - 1e-9))
