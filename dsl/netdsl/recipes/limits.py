"""The valid values of an argument of a recipe: a number in a range, one of several words, or a boolean."""

from __future__ import annotations

import math

from netdsl.immutable import immutable


@immutable
class Bound:
    """The range of a number; `text` completes `must be ..`."""

    text: str
    low: float
    high: float = math.inf
    low_included: bool = True
    high_included: bool = False
    is_integer: bool = False

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the range; NaN never does."""
        low = self.low <= value if self.low_included else self.low < value
        high = value <= self.high if self.high_included else value < self.high
        return low and high and (not self.is_integer or value == int(value))

    def refusal(self, value: object) -> str | None:
        """What the value must be, or None if it is valid."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.text if self.is_integer else "a number"
        return None if self.contains(value) else self.text


@immutable
class Choice:
    """One of several words; `text` completes `must be ..`."""

    text: str
    words: tuple[str, ...]

    def refusal(self, value: object) -> str | None:
        """What the value must be, or None if it is valid."""
        return None if value in self.words else self.text


@immutable
class Switch:
    """True or false."""

    text: str = "true or false"

    def refusal(self, value: object) -> str | None:
        """What the value must be, or None if it is valid."""
        return None if isinstance(value, bool) else self.text


Limit = Bound | Choice | Switch

NOT_NEGATIVE = Bound("0 or more", 0)
POSITIVE = Bound("above 0", 0, low_included=False)
SHARE = Bound("in [0, 1)", 0, 1)
FRACTION = Bound("in [0, 1]", 0, 1, high_included=True)
FACTOR = Bound("in (0, 1]", 0, 1, low_included=False, high_included=True)
COSINE = Bound("in [-1, 1]", -1, 1, high_included=True)
COUNT = Bound("a non-negative integer", 0, is_integer=True)
LENGTH = Bound("a positive integer", 1, is_integer=True)
INTEGER = Bound("an integer", -math.inf, low_included=False, is_integer=True)


def written(value: object) -> str:
    """A value in the syntax of the language, for messages and documents."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, int | float) else f'"{value}"'
