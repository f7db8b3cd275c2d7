"""Recipes: named sets of arguments with defaults and limits, checked when a recipe is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Self

from netdsl.diagnostics import Diagnostic, NetError
from netdsl.immutable import immutable
from netdsl.recipes.limits import Bound, Limit, Switch, written


class RecipeError(NetError):
    """E1080: an argument with an invalid value.

    Args:
        argument: The name of the argument.
        problem: What is wrong with it, such as `is -1, but must be 0 or more`.
        help: What the user can do.
    """

    def __init__(self, argument: str, problem: str, help: str) -> None:
        super().__init__(Diagnostic("E1080", f"{argument} {problem}", help=help))
        self.argument = argument
        self.problem = problem
        self.help = help

    @property
    def message(self) -> str:
        """The argument and what is wrong with it."""
        return f"{self.argument} {self.problem}"


@immutable
class Argument:
    """An argument of a recipe. A default of None means that it is optional."""

    name: str
    default: object
    limit: Limit

    def check(self, value: object) -> None:
        """Raise `RecipeError` if `value` is not valid for the argument."""
        optional = value is None and self.default is None
        must_be = None if optional else self.limit.refusal(value)
        if must_be is not None:
            raise RecipeError(self.name, f"is {written(value)}, but must be {must_be}", self._way_out())

    def _way_out(self) -> str:
        if self.default is None:
            return f"leave `{self.name}` out, or give one that is {self.limit.text}"
        return f"the default is `{self.name}={written(self.default)}`"


@immutable(kw_only=True)
class Recipe:
    """Arguments that are checked when the recipe is created.

    Raises:
        RecipeError: E1080 for a value out of its range, or of the wrong kind.
    """

    def __post_init__(self) -> None:
        for name, argument in self.arguments().items():
            argument.check(getattr(self, name))

    @classmethod
    def arguments(cls) -> dict[str, Argument]:
        """The arguments by name, in their positional order."""
        listed = [entry for entry in fields(cls) if entry.init and "limit" in entry.metadata]
        listed.sort(key=lambda entry: bool(entry.metadata["last"]))
        return {entry.name: Argument(entry.name, entry.default, entry.metadata["limit"]) for entry in listed}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, object]) -> Self:
        """The recipe with these arguments; the others have their defaults."""
        return cls(**arguments)


def number(default: float, bound: Bound, *, last: bool = False) -> float:
    """A field that takes a number in `bound`; a `last` one follows the arguments of subclasses."""
    return field(default=default, metadata={"limit": bound, "last": last})


def optional_number(bound: Bound) -> float | None:
    """A field that takes a number in `bound`, or None, which is its default."""
    return field(default=None, metadata={"limit": bound, "last": False})


def count(default: int, bound: Bound) -> int:
    """A field that takes an integer in `bound`."""
    return field(default=default, metadata={"limit": bound, "last": False})


def optional_count(bound: Bound) -> int | None:
    """A field that takes an integer in `bound`, or None, which is its default."""
    return field(default=None, metadata={"limit": bound, "last": False})


def switch(default: bool, *, last: bool = False) -> bool:
    """A field that is true or false."""
    return field(default=default, metadata={"limit": Switch(), "last": last})


def fixed(value: bool) -> bool:
    """A field that always has this value, and is not an argument."""
    return field(default=value, init=False)
