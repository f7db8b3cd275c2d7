"""Reading a published checkpoint by its own names, and writing it back: the `weights` construct.

A rule `"theirs" => "ours"` renames both ways; the first rule that matches a name holds. `transpose`
swaps the last two axes (arrays with fewer are left alone), for checkpoints that store `[out, in]`. A
target `"a | b | c"` says that theirs is `a`, `b` and `c` joined along the last axis, after transposing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from netdsl.source import Span
from netruntime.errors import WeightsError, shown
from netruntime.weight_files.template import Template, parse_template

TRANSPOSE = "transpose"
MODIFIERS = (TRANSPOSE,)

RuleParts = tuple[str, str | None, tuple[str, ...]]
"""`(theirs, ours, modifiers)`; `ours` is None where a weight of theirs is left out."""


@dataclass(frozen=True)
class Rule:
    """One checked rule; `ours` is empty where theirs is left out."""

    theirs: Template
    ours: tuple[Template, ...]
    transpose: bool
    span: Span | None

    def __str__(self) -> str:
        target = f'"{" | ".join(t.text for t in self.ours)}"' if self.ours else "none"
        return f'"{self.theirs.text}" => {target}{" transpose" if self.transpose else ""}'

    def to_ours(self, name: str) -> tuple[str, ...] | None:
        """Our names for one of theirs, or None where the rule does not match."""
        captures = self.theirs.match(name)
        if captures is None:
            return None
        names = [template.render(captures) for template in self.ours]
        return None if None in names else tuple(str(n) for n in names)

    def to_theirs(self, name: str) -> list[str]:
        """Their names that hold our `name` under this rule."""
        matches = [template.match(name) for template in self.ours]
        names = [self.theirs.render(captures) for captures in matches if captures is not None]
        return [n for n in names if n is not None]


@dataclass(frozen=True)
class MappedSource:
    """Where one of our arrays comes from: part `part` of `parts` of their `name`.

    `rule` is None where the name passes through unchanged.
    """

    name: str
    part: int = 0
    parts: int = 1
    transpose: bool = False
    rule: Rule | None = None


@dataclass(frozen=True)
class ToOurs:
    """Their names sorted out.

    `unmatched` are those that no rule matches and the model does not know, each with the nearest rule.
    """

    origins: Mapping[str, MappedSource]
    ignored: tuple[str, ...]
    unmatched: Mapping[str, Rule | None]


@dataclass(frozen=True)
class Target:
    """One array of theirs: ours joined along the last axis, then transposed back."""

    ours: tuple[str, ...]
    transpose: bool = False


class NameMap:
    """A checked sequence of rules."""

    def __init__(self, rules: Sequence[RuleParts], spans: Sequence[Span | None] = ()) -> None:
        """`spans[n]` is the place of rule `n` in its file, for errors.

        Raises `WeightsError`: E0731 for a bad template, E0732 for an unknown modifier, E0733 where a
        variable and E0734 where a `*` has no partner on the other side, E0738 for a rule that can never
        apply.
        """
        places = [*spans, *[None] * (len(rules) - len(spans))]
        self.rules = tuple(_parse_rule(*rule, span) for rule, span in zip(rules, places, strict=True))
        _check_reachable(self.rules)

    def to_ours(self, names: Iterable[str], expected: Container[str] = ()) -> ToOurs:
        """Our names for theirs. `expected` are the model's names: those pass through unchanged.

        Raises `WeightsError` E0735 where two of theirs become one of ours.
        """
        origins: dict[str, MappedSource] = {}
        ignored: list[str] = []
        unmatched: dict[str, Rule | None] = {}
        for name in names:
            rule, ours = self._apply(name)
            if rule is None and name in expected:
                ours = (name,)
            elif rule is None:
                unmatched[name] = self._nearest(name)
            elif not ours:
                ignored.append(name)
            for part, our_name in enumerate(ours):
                origin = MappedSource(name, part, len(ours), rule is not None and rule.transpose, rule)
                _check_new(our_name, origin, origins.get(our_name))
                origins[our_name] = origin
        return ToOurs(origins, tuple(ignored), unmatched)

    def to_theirs(self, names: Iterable[str]) -> dict[str, Target]:
        """What to write for our names: reading it back restores them.

        Raises `WeightsError` E0737 for a name that no rule can write so, or where a part is missing.
        """
        targets: dict[str, Target] = {}
        known = list(names)
        for name in known:
            theirs, target = self._target(name)
            targets[theirs] = target
        _check_parts(targets, set(known))
        return targets

    def _apply(self, name: str) -> tuple[Rule | None, tuple[str, ...]]:
        for rule in self.rules:
            ours = rule.to_ours(name)
            if ours is not None:
                return rule, ours
        return None, ()

    def _target(self, name: str) -> tuple[str, Target]:
        tried: list[str] = []
        for rule in self.rules:
            for theirs in rule.to_theirs(name):
                reader, ours = self._apply(theirs)
                if reader is rule and name in ours:
                    return theirs, Target(ours, rule.transpose)
                tried.append(theirs)
        reader, ours = self._apply(name)
        if reader is None and not tried:
            return name, Target((name,))
        self._not_writable(name, tried[0] if tried else name)

    def _not_writable(self, name: str, theirs: str) -> NoReturn:
        reader, ours = self._apply(theirs)
        back = " and ".join(map(shown, ours)) or "nothing"
        way = f"the rules write it as {shown(theirs)}" if theirs != name else "no rule writes it"
        raise WeightsError.make(
            "E0737",
            f"{shown(name)} has no name in the checkpoint: {way}, and {shown(theirs)} reads back as {back}",
            reader.span if reader else None,
            "this rule reads it back" if reader else "",
            help="put the narrower rule first, or add a rule for this name",
        )

    def _nearest(self, name: str) -> Rule | None:
        by_text = {rule.theirs.text: rule for rule in self.rules}
        near = get_close_matches(name, by_text, n=1, cutoff=0.4)
        return by_text[near[0]] if near else None


def _parse_rule(theirs: str, ours: str | None, modifiers: Sequence[str], span: Span | None) -> Rule:
    for modifier in modifiers:
        if modifier not in MODIFIERS or list(modifiers).count(modifier) > 1:
            what = (
                f"gives {shown(modifier)} twice" if modifier in MODIFIERS else f"knows no {shown(modifier)}"
            )
            message = f'the rule for "{theirs}" {what}: a rule may say `transpose`, once'
            raise WeightsError.make("E0732", message, span)
    if ours is None and modifiers:
        raise WeightsError.make(
            "E0732", f'the rule for "{theirs}" leaves it out, so there is nothing to transpose', span
        )
    source = parse_template(theirs, span)
    targets = (
        tuple(parse_template(part.strip(), span) for part in ours.split("|")) if ours is not None else ()
    )
    for n, target in enumerate(targets):
        _check_partners(source, target, span)
        if target.pieces in [other.pieces for other in targets[:n]]:
            raise WeightsError.make("E0731", f"{shown(ours)} names the part {shown(target.text)} twice", span)
    return Rule(source, targets, bool(modifiers), span)


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
        raise WeightsError.make("E0734", message, span)


def _check_reachable(rules: Sequence[Rule]) -> None:
    first: dict[Any, Rule] = {}
    for rule in rules:
        earlier = first.setdefault(rule.theirs.pieces, rule)
        if earlier is not rule:
            message = f"the rule {rule} never applies: {earlier} comes first"
            raise WeightsError.make("E0738", message, rule.span)


def _check_new(our_name: str, origin: MappedSource, earlier: MappedSource | None) -> None:
    if earlier is None:
        return
    rule = origin.rule or earlier.rule
    raise WeightsError.make(
        "E0735",
        f"{shown(earlier.name)} and {shown(origin.name)} of the checkpoint both become {shown(our_name)}",
        rule.span if rule else None,
        help="leave one out with `=> none` only if the other holds all of it; of two biases that are "
        "added, as in an LSTM of PyTorch, pass the sum under one name: `load(.., weights=arrays)`",
    )


def _check_parts(targets: Mapping[str, Target], known: Container[str]) -> None:
    for theirs, target in targets.items():
        absent = [name for name in target.ours if name not in known]
        if absent:
            joined = ", ".join(map(shown, target.ours))
            message = f"{shown(theirs)} joins {joined}, but {shown(absent[0])} is not among the weights"
            raise WeightsError.make("E0737", message)
