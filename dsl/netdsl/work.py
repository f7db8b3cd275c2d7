"""Limits the work that one text causes, so that reading it always ends soon.

Work is counted in steps of one to two microseconds, wherever the amount depends on the text: tokens,
expressions, operators, the terms of sizes, the elements of lists. There is no clock: a text is within the
limit on every machine, or on none. Reading and checking a file share one budget; code that runs outside
`limited`, such as the arithmetic of sizes while a network runs, is not limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MAX_STEPS = 500_000
"""The most steps that one file with its imports may take."""


class TooMuchWork(Exception):
    """The budget is used up."""


@dataclass
class Budget:
    """The steps that are spent so far."""

    spent: int = 0


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def spend(steps: float) -> None:
    """Count steps. Raises `TooMuchWork` if they exceed the budget, where there is one."""
    budget = _budget.get()
    if budget is not None:
        budget.spent += int(steps)
        if budget.spent > MAX_STEPS:
            raise TooMuchWork


@contextmanager
def limited(spent: int = 0) -> Iterator[Budget]:
    """Give a budget to what runs inside, of which some is spent already; an outer budget goes on instead."""
    outer = _budget.get()
    if outer is not None:
        yield outer
        return
    budget = Budget(spent)
    with _using(budget):
        yield budget


@contextmanager
def unlimited() -> Iterator[None]:
    """Leave out what runs inside, such as the reading of a standard block that later checks find read."""
    with _using(None):
        yield


@contextmanager
def _using(budget: Budget | None) -> Iterator[None]:
    before = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(before)
