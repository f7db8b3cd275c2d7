"""Findings that another one makes pointless: inside a call that is written in another way altogether."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from netdsl import syntax as s
from netdsl.arrivals.words import MODULES, PARTS
from netdsl.checker.ways import tree
from netdsl.diagnostics import Diagnostic
from netdsl.edits import Edit
from netdsl.modules import Module
from netdsl.source import Span


def without_covered(errors: Sequence[Diagnostic], modules: Iterable[Module]) -> list[Diagnostic]:
    """The errors that remain after the other fixes are applied.

    An edit of a call leaves out its tuples and quotes, and names that it does not keep; a call of another
    framework that is written in another way here has nothing inside to correct.
    """
    files = {id(module.source): module.file for module in modules}
    edits = [edit for one in errors for edit in one.fixes]
    edited = _Covers(edit.span for edit in edits)
    replaced = _Covers(span for one in errors for span in _replaced(one, files.get(_source(one))))

    def is_covered(one: Diagnostic) -> bool:
        if one.span is not None and replaced.is_around(one.span):
            return True
        if one.code in ("E0201", "E0402") and one.span is not None:
            return edited.is_around(one.span) and any(
                _drops(edit, one.span) for edit in edits if edit not in one.fixes
            )
        return one.code in ("E0101", "E0107") and any(edited.is_around(edit.span) for edit in one.fixes)

    return [one for one in errors if not is_covered(one)]


def _drops(edit: Edit, at: Span) -> bool:
    """Whether an edit replaces the text around a place by one without the words at that place."""
    is_inside = edit.span.source is at.source and edit.span.start < at.start and at.end <= edit.span.end
    return is_inside and at.text not in edit.text


def _source(one: Diagnostic) -> int:
    return id(one.span.source) if one.span is not None else 0


def _replaced(one: Diagnostic, file: s.File | None) -> Iterator[Span]:
    """The call of a function of another framework for which the message says what takes its place."""
    if one.code != "E0201" or one.span is None or file is None or one.fixes:
        return
    root, word = one.span.text.partition(".")[0], one.span.text.rpartition(".")[2]
    if root not in MODULES or word not in PARTS:
        return
    call = tree.smallest(file, one.span, s.Call)
    if call is not None and call.function.span == one.span:
        yield call.span


class _Covers:
    """Spans by their text, in the order of their starts, with the furthest end of those up to each."""

    def __init__(self, spans: Iterable[Span]) -> None:
        by_source: dict[int, list[Span]] = {}
        for span in spans:
            by_source.setdefault(id(span.source), []).append(span)
        ordered = {source: sorted(own, key=lambda span: span.start) for source, own in by_source.items()}
        self._starts = {source: [span.start for span in own] for source, own in ordered.items()}
        self._ends = {source: list(accumulate((x.end for x in own), max)) for source, own in ordered.items()}

    def is_around(self, span: Span) -> bool:
        """Whether one of them starts before a span and does not end before it."""
        source = id(span.source)
        before = bisect_left(self._starts.get(source, ()), span.start)
        return before > 0 and self._ends[source][before - 1] > span.end
