"""Offering ways out: for each error, the first change of the text that removes it and causes no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from netdsl.checker.context.causes import (
    Branches,
    Edited,
    Lengths,
    Mismatch,
    NotANumber,
    Refused,
    Unequal,
    Unnamed,
)
from netdsl.checker.ways import losses, masks, names, operators, types, uses
from netdsl.checker.ways.change import Change, changed_text, said
from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.modules import Module
from netdsl.source import Source
from netdsl.work import TooMuchWork

Recheck = Callable[[Source], Sequence[Diagnostic]]
"""The errors in a changed text."""

MAX_ERRORS = 8
"""For more errors than this, no changes are tried."""
MAX_CHANGES = 12
"""How many changes are tried for one error."""
MAX_COMPARED = 3
"""In a file with more errors than this, the first change that removes one is offered."""


def offer(module: Module, errors: Sequence[Diagnostic], recheck: Recheck) -> list[Diagnostic]:
    """The errors with a help that was tried, where one was found before the budget was used up."""
    waiting, result = list(errors), list[Diagnostic]()
    while waiting:
        error = waiting.pop(0)
        if error.cause is not None and len(result) < MAX_ERRORS:
            try:
                error, echoes = _with_way_out(module, error, errors, recheck)
            except (TooMuchWork, ArithmeticError, LookupError, ValueError):
                echoes = []  # no work is left, or a rule for ways out does not fit these shapes and sizes
            waiting = [other for other in waiting if other not in echoes]
        result.append(replace(at_its_argument(error), cause=None))
    return result


def _with_way_out(
    module: Module, error: Diagnostic, errors: Sequence[Diagnostic], recheck: Recheck
) -> tuple[Diagnostic, list[Diagnostic]]:
    """The error with a help that was tried, and the other errors that the same change removes.

    Of several changes, it is the first that removes most errors.
    """
    before = Counter(map(_key, errors))
    best, gone = None, Counter[tuple[str, str]]()
    for one in islice(_distinct(_changes(error, module), module), MAX_CHANGES):
        left = Counter(map(_key, recheck(Source(module.source.name, changed_text(module.source, one)))))
        if left[_key(error)] < before[_key(error)] and not left - before:
            if (before - left).total() > gone.total():
                best, gone = one, before - left
            if gone.total() == len(errors) or len(errors) > MAX_COMPARED:
                break
    if best is None or error.span is None:
        return error, []
    echoes = [e for e in errors if _key(e) in gone and e is not error and e.span != error.span]
    return _offered(module, error, best, echoes), echoes


def _offered(module: Module, error: Diagnostic, one: Change, echoes: Sequence[Diagnostic]) -> Diagnostic:
    """The error with a change as its help, and the places of those that it also removes."""
    assert error.span is not None
    edits = tuple(replacement(span, text, is_certain=False) for span, text in one.replacements)
    labels = (*error.labels, *(Label(e.span, "fails for the same reason") for e in echoes if e.span))
    error = replace(error, help=said(module.file, one, error.span), fixes=edits, labels=labels)
    if one.message and one.place is not None:
        rest = [label for label in labels[1:] if label.span != one.place]
        labels = (Label(one.place), *_declared(one), *rest)
        error = replace(error, message=one.message, labels=labels, path="")
    elif one.message:
        shown = [Label(span, "declared here") for span in one.declared]
        labels = (Label(labels[0].span), *shown, *labels[1:])
        error = replace(error, message=one.message, labels=labels, path="")
    return error


def _declared(one: Change) -> list[Label]:
    return [Label(span, "declared here") for span, _ in one.replacements]


def at_its_argument(error: Diagnostic) -> Diagnostic:
    """The error at the argument that it is about, where it is about one of a call."""
    cause = error.cause
    use = None
    if isinstance(cause, Mismatch) and cause.role == "input" and cause.where.callee is not None:
        use = uses.of_input(cause.where, cause.where.callee, cause.name)
    elif isinstance(cause, Refused) and cause.wrong.code == "E0303" and len(cause.wrong.at) == 1:
        use = uses.of_operator(cause.where, cause.op, dict(cause.tensors), cause.wrong.at[0][0])
    if use is None or use.piped or error.span is None or use.span.source is not error.span.source:
        return error
    text = next((label.text for label in error.labels[1:] if label.span == use.span), error.labels[0].text)
    rest = [label for label in error.labels[1:] if label.span != use.span]
    return replace(error, labels=(Label(use.span, text), *rest))


def _key(error: Diagnostic) -> tuple[str, str]:
    return error.code, error.message


def _distinct(changes: Iterator[Change], module: Module) -> Iterator[Change]:
    """The changes in this file, each once."""
    seen = set()
    for one in changes:
        if one.replacements not in seen and all(span.source is module.source for span, _ in one.replacements):
            seen.add(one.replacements)
            yield one


def _changes(error: Diagnostic, module: Module) -> Iterator[Change]:
    cause = error.cause
    if error.span is not None and error.span.source is module.source and not isinstance(cause, Unnamed):
        yield from losses.changes(module.file, error.span)
    if isinstance(cause, Refused):
        yield from operators.changes(cause)
    elif isinstance(cause, Mismatch):
        yield from types.changes(cause)
    elif isinstance(cause, Unequal):
        yield from types.unequal(cause)
    elif isinstance(cause, Lengths):
        yield from types.lengths(cause)
    elif isinstance(cause, NotANumber):
        yield from masks.masked(cause)
    elif isinstance(cause, Branches):
        yield from types.branches(cause)
    elif isinstance(cause, Unnamed):
        yield from names.changes(cause)
    elif isinstance(cause, Edited):
        for help, replacements in cause.changes:
            yield Change(tuple(replacements), help=help)
