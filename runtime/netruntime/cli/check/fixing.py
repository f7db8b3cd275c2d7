"""Applying the certain edits of findings to a text, as long as nothing gets worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netdsl.diagnostics import Diagnostic
from netdsl.edits import Edit, apply_edits
from netdsl.source import Source

Check = Callable[[Source], tuple[Diagnostic, ...]]
"""All findings in a text."""

MAX_ROUNDS = 8
"""How often a text is edited; an edit can bring to light another that is certain."""


@dataclass(frozen=True)
class Fixed:
    """A text after its edits, and what was edited, with places in the text at that time."""

    source: Source
    edits: tuple[Edit, ...] = ()


def fix(source: Source, check: Check) -> Fixed:
    """Apply all certain edits to a text.

    An edit is left out if the text has an error after it that it did not have before.
    """
    applied: list[Edit] = []
    refused: set[tuple[str, str]] = set()
    for _ in range(MAX_ROUNDS):
        findings = check(source)
        edits = [edit for edit in _certain(findings, source) if _key(edit) not in refused]
        kept = _harmless(source, edits, findings, check)
        refused |= {_key(edit) for edit in edits if edit not in kept}
        if not kept:
            break
        source = Source(source.name, apply_edits(source, kept))
        applied += kept
    return Fixed(source, tuple(applied))


def _certain(findings: Iterable[Diagnostic], source: Source) -> list[Edit]:
    """The certain edits of a text, those of its imports left out, in the order of the text."""
    edits = {edit for one in findings for edit in one.fixes if edit.is_certain}
    return sorted((e for e in edits if e.span.source is source), key=lambda e: (e.span.start, e.span.end))


def _harmless(
    source: Source, edits: list[Edit], findings: tuple[Diagnostic, ...], check: Check
) -> list[Edit]:
    """The edits after which there is no new error: all of them, or those that pass one by one."""
    before = _errors(findings)

    def are_harmless(some: list[Edit]) -> bool:
        after = _errors(check(Source(source.name, apply_edits(source, some))))
        return after <= before

    if not edits or are_harmless(edits):
        return edits
    kept: list[Edit] = []
    for edit in edits:
        if are_harmless([*kept, edit]):
            kept.append(edit)
    return kept


def _errors(findings: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
    """The errors by code and message: their places move with the text."""
    return Counter((one.code, one.message) for one in findings if one.severity == "error")


def _key(edit: Edit) -> tuple[str, str]:
    """What an edit is in any version of the text."""
    return edit.span.text, edit.text
