"""Arguments of optimizers, schedules and the rest: numbers with stated ranges, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Self, TypeVar

from netdsl.diagnostics import Label, suggest
from netdsl.source import Span
from netruntime.errors import TrainingError


@dataclass(frozen=True)
class Bound:
    """The range of a number; `text` completes `must be ..`."""

    text: str
    low: float
    high: float = math.inf
    low_too: bool = True
    high_too: bool = False
    whole: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range; not-a-number never does."""
        low = self.low <= value if self.low_too else self.low < value
        high = value <= self.high if self.high_too else value < self.high
        return low and high and (not self.whole or value == int(value))


NOT_NEGATIVE = Bound("0 or more", 0)
POSITIVE = Bound("above 0", 0, low_too=False)
SHARE = Bound("in [0, 1)", 0, 1)
FRACTION = Bound("in [0, 1]", 0, 1, high_too=True)
FACTOR = Bound("in (0, 1]", 0, 1, low_too=False, high_too=True)
COUNT = Bound("a whole number of 0 or more", 0, whole=True)
LENGTH = Bound("a whole number above 0", 1, whole=True)


def number(default: float, bound: Bound, argument: str | None = None) -> float:
    """A field of a `Checked` dataclass that takes a number in `bound`.

    `argument` is what the language calls it, where that is not the field's own name.
    """
    return field(default=default, metadata={"bound": bound, "argument": argument})


def optional(bound: Bound) -> float | None:
    """A field that takes a number in `bound`, or None, which is its default."""
    return field(default=None, metadata={"bound": bound})


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A dataclass whose numbers are checked when it is made.

    Raises `TrainingError` E1080 for a number out of its range, or of another kind.
    """

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            bound = entry.metadata.get("bound")
            if bound is None and isinstance(entry.default, bool):
                if not isinstance(value, bool):
                    bad_value(entry.name, value, "true or false")
            elif bound is not None and value is not None:
                _check_number(_argument(entry), value, bound)

    @classmethod
    def arguments(cls) -> dict[str, Any]:
        """The arguments by their names in the language, with their defaults."""
        return {_argument(entry): entry.default for entry in _entries(cls)}

    @classmethod
    def make(cls, arguments: Mapping[str, Any]) -> Self:
        """One made from arguments by their names in the language."""
        names = {_argument(entry): entry.name for entry in _entries(cls)}
        return cls(**{names[argument]: value for argument, value in arguments.items()})


def _entries(cls: type[Checked]) -> list[Field[Any]]:
    """The fields that are arguments in the language: numbers with a range, and what is true or false."""
    listed = [entry for entry in fields(cls) if entry.init]
    return [entry for entry in listed if "bound" in entry.metadata or isinstance(entry.default, bool)]


def _argument(entry: Field[Any]) -> str:
    return entry.metadata.get("argument") or entry.name


def _check_number(name: str, value: Any, bound: Bound) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not bound.holds(value):
        bad_value(name, value, bound.text if is_number else "a number")


def bad_value(name: str, value: Any, must_be: str) -> None:
    """Raise E1080: an argument with a value that it cannot take."""
    told = str(value).lower() if isinstance(value, bool) else f"{value:.12g}" if _real(value) else repr(value)
    raise TrainingError.make("E1080", f"{name} is {told}, and must be {must_be}")


def _real(value: Any) -> bool:
    return isinstance(value, int | float)


T = TypeVar("T", bound=Checked)


def build(
    what: str,
    known: Mapping[str, type[T]],
    name: str,
    arguments: Mapping[str, float | bool],
    span: Span | None = None,
) -> T:
    """The one of `known` called `name`, with its arguments.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for a name or an argument
    that does not exist. `what` is how messages call it: `optimizer`.
    """
    kind = known.get(name)
    if kind is None:
        help = suggest(name, known) or f"there are {', '.join(known)}"
        raise TrainingError.make("E1081", f"`{name}` is no {what}", span, help=help)
    takes = kind.arguments()
    for argument in arguments:
        if argument not in takes:
            help = suggest(argument, takes) or f"`{name}` takes {', '.join(takes) or 'none'}"
            raise TrainingError.make("E1081", f"`{name}` has no argument `{argument}`", span, help=help)
    try:
        return kind.make(arguments)
    except TrainingError as wrong:
        raise _at(wrong, name, span) from None


def _at(wrong: TrainingError, name: str, span: Span | None) -> TrainingError:
    """The error of an argument, with the call it belongs to and its place."""
    labels = (Label(span),) if span else ()
    found = wrong.diagnostics[0]
    return TrainingError(replace(found, message=f"`{name}`: {found.message}", labels=labels))
