"""Applying the certain edits of findings to a text, as long as nothing gets worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from netdsl.diagnostics import Diagnostic
from netdsl.edits import Edit, apply_edits
from netdsl.immutable import immutable
from netdsl.source import Source

Check = Callable[[Source], tuple[Diagnostic, ...]]
"""All findings in a text."""

Group = tuple[Edit, ...]
"""The edits of one finding."""
Key = tuple[tuple[str, str], ...]

MAX_ROUNDS = 8
"""How often a text is edited; an edit can bring to light another that is certain."""


@immutable
class Fixed:
    """A text after its edits, and what was edited, with places in the text at that time."""

    source: Source
    edits: tuple[Edit, ...] = ()


def fix(source: Source, check: Check) -> Fixed:
    """Apply all certain edits to a text.

    The edits of a finding go together. They are left out if the text has an error after them that it did not
    have before.
    """
    applied: list[Edit] = []
    refused: set[Key] = set()
    for _ in range(MAX_ROUNDS):
        findings = check(source)
        groups = [group for group in _certain(findings, source) if _key(group) not in refused]
        kept = _harmless(source, groups, findings, check)
        refused |= {_key(group) for group in groups if group not in kept}
        if not kept:
            break
        edits = _in_order(kept)
        source = Source(source.name, apply_edits(source, edits))
        applied += edits
    return Fixed(source, tuple(applied))


def _certain(findings: Iterable[Diagnostic], source: Source) -> list[Group]:
    """The certain edits of a text by finding, those of its imports left out, in the order of the text."""
    edits = [[edit for edit in one.fixes if edit.is_certain] for one in findings]
    groups = {tuple(own) for own in edits if own and all(edit.span.source is source for edit in own)}
    return sorted(groups, key=lambda group: min((edit.span.start, edit.span.end) for edit in group))


def _in_order(groups: Iterable[Group]) -> list[Edit]:
    edits = {edit for group in groups for edit in group}
    return sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))


def _harmless(
    source: Source, groups: list[Group], findings: tuple[Diagnostic, ...], check: Check
) -> list[Group]:
    """The edits after which there is no new error: all of them, or those that pass one by one."""
    before = _errors(findings)

    def are_harmless(some: list[Group]) -> bool:
        after = _errors(check(Source(source.name, apply_edits(source, _in_order(some)))))
        return after <= before

    if not groups or are_harmless(groups):
        return groups
    kept: list[Group] = []
    for group in groups:
        if are_harmless([*kept, group]):
            kept.append(group)
    return kept


def _errors(findings: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
    """The errors by code and message: their places move with the text."""
    return Counter((one.code, one.message) for one in findings if one.severity == "error")


def _key(group: Group) -> Key:
    """What the edits of a finding are in any version of the text."""
    return tuple((edit.span.text, edit.text) for edit in group)
