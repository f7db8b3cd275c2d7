"""The state shared by all bodies of one check: its findings, finished bodies, and limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from netdsl.checker.context.values import Binding, Poison, Static
from netdsl.diagnostics import Diagnostic, Label
from netdsl.immutable import immutable
from netdsl.model import Body
from netdsl.modules import Module
from netdsl.source import Span, Suggestion

MAX_CALL_DEPTH = 32
MAX_BODIES = 1_500
MAX_KEPT = 200
"""The check ends after more errors than this."""


class TooManyErrors(Exception):
    """Stops the check; the findings so far are reported."""


@immutable
class Built:
    """A finished body, and the places in the first call of it that the origins of its sizes name."""

    body: Body
    places: tuple[Span | None, ...]


def _in_text(found: Diagnostic) -> Diagnostic:
    """A finding with the places of suggestions that were read instead of the text, in the text."""
    if not any(isinstance(label.span.source, Suggestion) for label in found.labels):
        return found
    labels: dict[Span, Label] = {}
    for label in found.labels:
        span = label.span
        while isinstance(span.source, Suggestion):
            span = _same_word(span.source.place, span.text)
        labels.setdefault(span, Label(span, label.text))
    return replace(found, labels=tuple(labels.values()), fixes=(), cause=None)


def _same_word(place: Span, word: str) -> Span:
    """Where a word of a suggestion is in the text that the suggestion was read for; all of it if nowhere."""
    at = re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", place.text) if word.isidentifier() else None
    return place.source.span(place.start + at.start(), place.start + at.end()) if at else place


@dataclass
class Checker:
    """The state of one check. `multiplier` is how often the body being built will be repeated."""

    module: Module
    config: Mapping[Module, Mapping[str, Static | Poison]] = field(default_factory=dict)
    training: bool = False
    is_definition: bool = False
    """Whether blocks are checked without a call, so that what fails for some sizes is not an error."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    known: set[tuple[str, Span | None, str]] = field(default_factory=set)
    places: set[Span | None] = field(default_factory=set)
    """Where there are findings."""
    errors: int = 0
    """The number of errors so far."""
    dropped: int = 0
    """The number of errors that are not reported because they follow from others."""
    bodies: dict[object, Built | None] = field(default_factory=dict)
    building: list[tuple[object, str]] = field(default_factory=list)
    scanned: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    """The models whose own check has failed: calls of them say nothing new."""
    symbol_origins: dict[str, Span] = field(default_factory=dict)
    multiplier: int = 1
    roots: dict[Module, dict[str, Binding]] = field(default_factory=dict)
    """The names that every body of a module sees, once its configuration is evaluated."""

    @property
    def failures(self) -> int:
        """The number of errors so far, with those that are not reported."""
        return self.errors + self.dropped

    def replaces(self, span: Span) -> bool:
        """Whether a finding offers an edit that replaces a place."""
        edits = (edit.span for one in self.diagnostics for edit in one.fixes)
        return any(e.source is span.source and e.start <= span.start and span.end <= e.end for e in edits)

    def report(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep findings, each place and code once."""
        for one in map(_in_text, diagnostics):
            key = (one.code, one.span, one.message)
            if key not in self.known:
                self.known.add(key)
                self.places.add(one.span)
                self.diagnostics.append(one)
                self.errors += one.severity == "error"
        if self.errors > MAX_KEPT:
            raise TooManyErrors
