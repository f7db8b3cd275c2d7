"""A change of the text that may remove an error, and how a message says it."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker.ways import tree
from netdsl.edits import apply_edits, replacement
from netdsl.immutable import immutable
from netdsl.source import Source, Span

_QUOTED = (
    *(s.Call, s.Stage, s.Residual, s.Scan, s.Operation),
    *(s.Declaration, s.Param, s.Output, s.Bind, s.Return, s.Let, s.Layer, s.Expect, s.Assert),
    *(s.ConfigEntry, s.TrainInput, s.Setting, s.Metric, s.WeightRule),
)
"""The parts of a line that are quoted."""


@immutable
class Change:
    """Replacements in the text of one file.

    Attributes:
        replacements: The places and their new text.
        why: What the change does, said after it: `which keeps the size`.
        help: The complete help; by default it quotes the line as it is after the change.
        message: What is wrong, where the change shows that better than the error did.
        place: The place that the message is about.
        declared: Where what the message names is declared.
    """

    replacements: tuple[tuple[Span, str], ...]
    why: str = ""
    help: str = ""
    message: str = ""
    place: Span | None = None
    declared: tuple[Span, ...] = ()


def change(*replacements: tuple[Span, str], why: str = "", help: str = "") -> Change:
    return Change(replacements, why, help)


def insertion(span: Span, text: str) -> tuple[Span, str]:
    """Text before a place."""
    return Span(span.source, span.start, span.start), text


def appended(span: Span, text: str) -> tuple[Span, str]:
    """Text after a place."""
    return Span(span.source, span.end, span.end), text


def changed_text(source: Source, one: Change) -> str:
    return apply_edits(source, [replacement(span, text) for span, text in one.replacements])


def said(file: s.File, one: Change, place: Span) -> str:
    """The help of a change: `write `Linear(256)` on line 4, which ...`."""
    if one.help:
        return one.help
    parts: dict[Span, list[tuple[Span, str]]] = {}
    for span, text in one.replacements:
        parts.setdefault(_around(file, span), []).append((span, text))
    shown = [_quoted(around, replacements, place) for around, replacements in parts.items()]
    why = f", {one.why}" if one.why else ""
    return f"write {' and '.join(shown)}{why}"


def _around(file: s.File, span: Span) -> Span:
    """The smallest part of the line that shows what changes."""
    nodes = [n for n in tree.around(file, span) if isinstance(n, _QUOTED)]
    nodes = [n for n in nodes if n.span.line == span.line and "\n" not in n.span.text]
    return nodes[-1].span if nodes else span


def _quoted(around: Span, replacements: Sequence[tuple[Span, str]], place: Span) -> str:
    """A part of a line after the change, with the line if that is another than the error's."""
    text = apply_edits(around.source, [replacement(span, text) for span, text in replacements])
    grown = len(text) - len(around.source.text)
    shown = text[around.start : around.end + grown].strip()
    where = f" on line {around.line}" if around.line != place.line else ""
    return f"`{' '.join(shown.split())}`{where}"
