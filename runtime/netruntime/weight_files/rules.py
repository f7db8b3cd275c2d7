"""The rules of a name map: `"theirs" => "ours"`, and `"theirs" + "theirs" => "ours"` for a sum."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.immutable import immutable
from netdsl.source import Span
from netruntime.errors import WeightsError, shown
from netruntime.weight_files.template import Captures, Template, parse_template

MODIFIERS = ("transpose",)

RuleParts = tuple[tuple[str, ...], str | None, tuple[str, ...]]
"""`(theirs, ours, modifiers)`; `ours` is None where a weight of theirs is left out."""


@immutable
class Rule:
    """One checked rule; `ours` is empty where theirs is left out."""

    theirs: tuple[Template, ...]
    ours: tuple[Template, ...]
    transpose: bool
    span: Span | None

    def __str__(self) -> str:
        return self.reading([template.text for template in self.theirs])

    def reading(self, theirs: Sequence[str]) -> str:
        """The text of this rule for other names of theirs."""
        target = " | ".join(template.text for template in self.ours)
        return rule_text(theirs, target if self.ours else None, transpose=self.transpose)

    def read(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """All their names that are added up with `name`, and our names for the sum; None for no match."""
        for template in self.theirs:
            captures = template.match(name)
            if captures is not None:
                return self._pair(captures)
        return None

    def is_turned_round(self, name: str) -> bool:
        """Whether one of their names is on our side of this rule."""
        return any(template.match(name) is not None for template in self.ours)

    def turned_round(self) -> str:
        """The text of this rule with its sides exchanged."""
        target = " | ".join(template.text for template in self.theirs)
        return rule_text([template.text for template in self.ours], target, transpose=self.transpose)

    def write(self, name: str) -> list[tuple[str, ...]]:
        """Their names that hold our `name` under this rule, those of a sum together."""
        matches = [template.match(name) for template in self.ours]
        names = [_rendered(self.theirs, captures) for captures in matches if captures is not None]
        return [n for n in names if n is not None]

    def _pair(self, captures: Captures) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        theirs, ours = _rendered(self.theirs, captures), _rendered(self.ours, captures)
        return None if theirs is None or ours is None else (theirs, ours)


def rule_text(theirs: Sequence[str], ours: str | None, *, transpose: bool) -> str:
    """A rule as it is written in a `weights` section."""
    sources = " + ".join(f'"{name}"' for name in theirs)
    target = f'"{ours}"' if ours is not None else "none"
    return f"{sources} => {target}{' transpose' if transpose else ''}"


def parse_rule(parts: RuleParts, span: Span | None) -> Rule:
    """The rule of `parts`, at `span` in its file.

    Raises `WeightsError`: E0731 for a bad template, E0732 for an unknown modifier, E0733 where a variable
    and E0734 where a `*` has no partner on the other side, E0739 for a sum that is left out.
    """
    theirs, ours, modifiers = parts
    _check_modifiers(parts, span)
    sources = tuple(parse_template(text, span) for text in theirs)
    targets = (
        tuple(parse_template(part.strip(), span) for part in ours.split("|")) if ours is not None else ()
    )
    for other in (*sources[1:], *targets):
        _check_partners(sources[0], other, span)
    _check_once(sources, " + ".join(theirs), "term", span)
    _check_once(targets, ours or "", "part", span)
    return Rule(sources, targets, bool(modifiers), span)


def _rendered(templates: Sequence[Template], captures: Captures) -> tuple[str, ...] | None:
    names = [template.render(captures) for template in templates]
    return None if None in names else tuple(str(n) for n in names)


def _check_modifiers(parts: RuleParts, span: Span | None) -> None:
    theirs, ours, modifiers = parts
    rule = f'the rule for "{theirs[0]}"'
    for modifier in modifiers:
        if modifier not in MODIFIERS or list(modifiers).count(modifier) > 1:
            what = (
                f"gives {shown(modifier)} twice" if modifier in MODIFIERS else f"knows no {shown(modifier)}"
            )
            raise WeightsError.make("E0732", f"{rule} {what}: a rule may say `transpose`, once", span)
    if ours is None and modifiers:
        raise WeightsError.make("E0732", f"{rule} leaves it out, so there is nothing to transpose", span)
    if ours is None and len(theirs) > 1:
        help = "write a rule for each: " + " and ".join(f'`"{name}" => none`' for name in theirs)
        message = f"{rule} leaves it out, so there is nothing to add"
        raise WeightsError.make("E0739", message, span, help=help)


def _check_once(templates: Sequence[Template], text: str, what: str, span: Span | None) -> None:
    for n, template in enumerate(templates):
        if template.pieces in [other.pieces for other in templates[:n]]:
            message = f"{shown(text)} names the {what} {shown(template.text)} twice"
            raise WeightsError.make("E0731", message, span)


def _check_partners(source: Template, target: Template, span: Span | None) -> None:
    alone = sorted(source.variables ^ target.variables)
    if alone:
        side, other = (source, target) if alone[0] in source.variables else (target, source)
        message = f"`{{{alone[0]}}}` is in {shown(side.text)} and not in {shown(other.text)}"
        help = "a number must stand on both sides, or the names could not be turned back"
        raise WeightsError.make("E0733", message, span, help=help)
    if source.stars != target.stars:
        message = (
            f"{shown(source.text)} has {source.stars} `*`, but {shown(target.text)} has {target.stars}: "
            "each needs its partner"
        )
        raise WeightsError.make("E0734", message, span, help=_with_stars(source.text, target.text, span))


def _with_stars(theirs: str, ours: str, span: Span | None) -> str | None:
    """The rule with the `*` that one of its names lacks at the end."""
    if span is None or theirs.count("*") + ours.count("*") != 1:
        return None
    name = ours if "*" in theirs else theirs
    return "write `{}`".format(span.text.replace(f'"{name}"', f'"{name}.*"'))
