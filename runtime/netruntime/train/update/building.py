"""Construction of optimizers, schedules and so on from a recipe's name and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from netdsl.diagnostics import suggest
from netdsl.recipes import Recipe, RecipeError
from netdsl.source import Span
from netruntime.errors import TrainingError

R = TypeVar("R", bound=Recipe)


def build(
    what: str,
    known: Mapping[str, type[R]],
    name: str,
    arguments: Mapping[str, float | bool],
    span: Span | None = None,
) -> R:
    """Construct the entry `name` of `known` with its arguments.

    Args:
        what: Its kind, for messages: `an optimizer`.

    Raises:
        TrainingError: at `span`: E1080 for a value out of its range, E1081 for a name or an argument that
            does not exist.
    """
    kind = known.get(name)
    if kind is None:
        help = suggest(name, known) or f"use one of {', '.join(known)}"
        raise TrainingError.make("E1081", f"`{name}` is not {what}", span, help=help)
    takes = kind.arguments()
    for argument in arguments:
        if argument not in takes:
            help = suggest(argument, takes) or f"`{name}` takes {', '.join(takes) or 'no arguments'}"
            raise TrainingError.make("E1081", f"`{name}` has no argument `{argument}`", span, help=help)
    try:
        return kind.from_arguments(arguments)
    except RecipeError as wrong:
        raise TrainingError.make("E1080", f"`{name}`: {wrong.message}", span, help=wrong.help) from None
