"""Reading a published checkpoint by its own names, and writing it back: the `weights` construct.

A rule `"theirs" => "ours"` renames both ways; the first rule that matches a name holds. `transpose`
swaps the last two axes (arrays with fewer are left alone), for checkpoints that store `[out, in]`. A
target `"a | b | c"` says that theirs is `a`, `b` and `c` joined along the last axis, after transposing.
A rule `"theirs" + "theirs" => "ours"` reads their sum; it is written under the first name, and the others
get zeros.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NoReturn

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.syntax import WeightRule, Weights
from netruntime.errors import WeightsError, shown
from netruntime.weight_files.rules import Rule, RuleParts, parse_rule, rule_text
from netruntime.weight_files.template import Template


@immutable
class MappedSource:
    """Where one of our arrays comes from: part `part` of `parts` of the sum of their `names`, mostly of one.

    `rule` is None where the name passes through unchanged.
    """

    names: tuple[str, ...]
    part: int = 0
    parts: int = 1
    transpose: bool = False
    rule: Rule | None = None


@immutable
class ToOurs:
    """Their names sorted out.

    `unmatched` are those that no rule matches and the model does not know, each with the nearest rule.
    """

    origins: Mapping[str, MappedSource]
    ignored: tuple[str, ...]
    unmatched: Mapping[str, Rule | None]


@immutable
class Target:
    """One array of theirs: ours joined along the last axis, then transposed back.

    It is zero if it is a further term of a sum.
    """

    ours: tuple[str, ...]
    transpose: bool = False
    is_zero: bool = False


class NameMap:
    """A checked sequence of rules."""

    def __init__(self, rules: Sequence[RuleParts], spans: Sequence[Span | None] = ()) -> None:
        """`spans[n]` is the place of rule `n` in its file, for errors.

        Raises `WeightsError`: E0731 for a bad template, E0732 for an unknown modifier, E0733 where a
        variable and E0734 where a `*` has no partner on the other side, E0738 for a rule that can never
        apply, E0739 for a sum that is left out.
        """
        places = [*spans, *[None] * (len(rules) - len(spans))]
        self.rules = tuple(parse_rule(rule, span) for rule, span in zip(rules, places, strict=True))
        _check_reachable(self.rules)

    def to_ours(self, names: Iterable[str], expected: Collection[str] = ()) -> ToOurs:
        """Our names for theirs. `expected` are the model's names: those pass through unchanged.

        Raises `WeightsError`: E0735 where two of theirs become one of ours, E0739 where a term of a sum is
        absent or read by an earlier rule.
        """
        origins: dict[str, MappedSource] = {}
        ignored: list[str] = []
        unmatched: dict[str, Rule | None] = {}
        known = dict.fromkeys(names)
        for name in known:
            rule, theirs, ours = self._apply(name)
            if rule is None and name in expected:
                ours = (name,)
            elif rule is None:
                unmatched[name] = self._nearest(name)
            elif not ours:
                ignored.append(name)
            elif len(theirs) > 1:
                self._check_sum(rule, theirs, known)
            for part, our_name in enumerate(ours):
                origin = MappedSource(theirs, part, len(ours), rule is not None and rule.transpose, rule)
                earlier = origins.setdefault(our_name, origin)
                if earlier != origin:
                    raise self._clash(our_name, earlier, origin, [n for n in expected if n not in known])
        return ToOurs(origins, tuple(ignored), unmatched)

    def to_theirs(self, names: Iterable[str]) -> dict[str, Target]:
        """What to write for our names: reading it back restores them.

        Raises `WeightsError` E0737 for a name that no rule can write so, or where a part is missing.
        """
        targets: dict[str, Target] = {}
        known = list(names)
        for name in known:
            (first, *others), target = self._target(name)
            targets[first] = target
            targets |= {other: replace(target, is_zero=True) for other in others}
        _check_parts(targets, set(known))
        return targets

    def _apply(self, name: str) -> tuple[Rule | None, tuple[str, ...], tuple[str, ...]]:
        """The rule for one of their names, all names that it adds up with it, and ours."""
        for rule in self.rules:
            pair = rule.read(name)
            if pair is not None:
                return rule, *pair
        return None, (name,), ()

    def _check_sum(self, rule: Rule, theirs: tuple[str, ...], known: Container[str]) -> None:
        for term in theirs:
            if term not in known:
                rest = [t.text for t, name in zip(rule.theirs, theirs, strict=True) if name in known]
                help = f"to read what there is alone, write `{rule.reading(rest)}`"
                raise _cannot_add(rule, theirs, f"{shown(term)} is not there", help)
            reader, terms, _ = self._apply(term)
            if reader is not rule or terms != theirs:
                help = "put the rule of the sum first, or remove the other"
                raise _cannot_add(rule, theirs, f"{shown(term)} is read by {reader}", help)

    def _clash(
        self, our_name: str, earlier: MappedSource, later: MappedSource, unnamed: Sequence[str]
    ) -> WeightsError:
        """The error of two sources for one of our names; `unnamed` are ours that keep no name of theirs."""
        layer = our_name.rpartition(".")[0]
        beside = [n for n in unnamed if n != our_name and n.rpartition(".")[0] == layer]
        unread = [n for n in beside if not any(rule.write(n) for rule in self.rules)]
        rule = later.rule or earlier.rule
        message = f"{_listed(earlier)} and {_listed(later)} of the checkpoint both become {shown(our_name)}"
        help = _one_each(later, unread[0]) if len(unread) == 1 else _sum_of(our_name, earlier, later)
        return WeightsError.make("E0735", message, rule.span if rule else None, help=help)

    def _target(self, name: str) -> tuple[tuple[str, ...], Target]:
        tried: list[str] = []
        for rule in self.rules:
            for theirs in rule.write(name):
                readers = [self._apply(term) for term in theirs]
                if all(r is rule and terms == theirs and name in ours for r, terms, ours in readers):
                    return theirs, Target(readers[0][2], rule.transpose)
                tried += theirs
        reader, *_ = self._apply(name)
        if reader is None and not tried:
            return (name,), Target((name,))
        self._not_writable(name, tried[0] if tried else name)

    def _not_writable(self, name: str, theirs: str) -> NoReturn:
        reader, _, ours = self._apply(theirs)
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
        swapped = next((rule for rule in self.rules if rule.is_turned_round(name)), None)
        if swapped is not None:
            return swapped
        by_text = {template.text: rule for rule in self.rules for template in rule.theirs}
        near = get_close_matches(name, by_text, n=1, cutoff=0.4)
        return by_text[near[0]] if near else None


def name_map(section: Weights) -> NameMap:
    """The name map of a `weights` section. Raises `WeightsError` as `NameMap`."""
    return NameMap([_parts(rule) for rule in section.rules], [rule.span for rule in section.rules])


def rule_errors(section: Weights) -> list[Diagnostic]:
    """What is wrong with the rules of a `weights` section: each by itself, then in their order."""
    errors: list[Diagnostic] = []
    for rule in section.rules:
        try:
            parse_rule(_parts(rule), rule.span)
        except WeightsError as wrong:
            errors += wrong.diagnostics
    try:
        if not errors:
            name_map(section)
    except WeightsError as wrong:
        errors += wrong.diagnostics
    return errors


def unmatched_rules(
    section: Weights, names: Collection[str], config: Mapping[str, object] | None = None
) -> list[Diagnostic]:
    """E0738 for the rules of a valid section whose targets are no weights of the models in the file.

    `names` are those of all models; nothing is reported where there are none. With a `config`, a rule may be
    for other settings, and loading weights accepts it: it is a hint.
    """
    if not names or len(names) * len(section.rules) > _MOST_COMPARED:
        return []
    rules = [rule for rule in name_map(section).rules if rule.ours]
    unmatched = [rule for rule in rules if not all(_is_of(target, names) for target in rule.ours)]
    return [_unmatched(rule, names, config or {}) for rule in unmatched[:_MOST_LISTED]]


def _unmatched(rule: Rule, names: Collection[str], config: Mapping[str, object]) -> Diagnostic:
    target = next(target for target in rule.ours if not _is_of(target, names))
    message = f"the rule {rule} never applies: the model has no weight {shown(target.text)}"
    labels = (Label(rule.span),) if rule.span is not None else ()
    if all(_is_of(template, names) for template in rule.theirs):
        text = rule.turned_round()
        help = f"the two sides are swapped: write `{text}`"
        fixes = (replacement(rule.span, text),) if rule.span is not None else ()
        message = f"{message}, but it has {shown(rule.theirs[0].text)}"
        return Diagnostic("E0738", message, labels, help, fixes=fixes)
    help = _nearest(rule, target, names)
    if not config:
        return Diagnostic("E0738", message, labels, help)
    settings = ", ".join(f"{name}={value}" for name, value in list(config.items())[:_MOST_SETTINGS])
    message = f"the rule {rule} does not apply: with {settings} the model has no weight {shown(target.text)}"
    help = f"{help}; if it is for other settings, check the file with them: `--set {next(iter(config))}=...`"
    return Diagnostic("E0738", message, labels, help, severity="hint")


def _nearest(rule: Rule, target: Template, names: Collection[str]) -> str:
    """The rule with the nearest weights, or some weights that there are."""
    others = {template.text for template in rule.ours if template is not target}
    known = [name for name in _patterns(target.text, list(names)[:_MOST_NEAR]) if name not in others]
    near = get_close_matches(target.text, known, n=3, cutoff=0.5)
    if near and _NUMBER.sub("", near[0]) == _NUMBER.sub("", target.text):
        return f"the closest weight is {shown(near[0])}; remove the rule"
    if near:
        targets = [near[0] if template is target else template.text for template in rule.ours]
        theirs = [template.text for template in rule.theirs]
        text = rule_text(theirs, " | ".join(targets), transpose=rule.transpose)
        return f"the closest weight is {shown(near[0])}: write `{text}`"
    some = ", ".join(map(shown, list(names)[:4]))
    return f"its weights are called {some}{', ...' * (len(names) > 4)}"


def _patterns(text: str, names: Iterable[str]) -> list[str]:
    """The names as patterns like the text: with a `*` at the end where it has one, and `{i}` for numbers."""
    if text.endswith("*"):
        names = [f"{name.rpartition('.')[0]}.*" for name in names if "." in name]
    if variable := re.search(r"\{\w+\}", text):
        names = [_NUMBER.sub(variable[0], name) for name in names]
    return list(dict.fromkeys(names))


def _is_of(template: Template, names: Iterable[str]) -> bool:
    return any(template.match(name) is not None for name in names)


_MOST_COMPARED, _MOST_NEAR, _MOST_LISTED, _MOST_SETTINGS = 300_000, 400, 20, 3
"""How many pairs of a rule and a name are compared, among how many names near ones are looked for, and how
many rules and settings are listed."""
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


def _parts(rule: WeightRule) -> RuleParts:
    theirs = tuple(text.value for text in rule.theirs)
    return theirs, rule.ours.value if rule.ours else None, tuple(m.text for m in rule.modifiers)


def _cannot_add(rule: Rule, theirs: Sequence[str], reason: str, help: str) -> WeightsError:
    message = f"{' and '.join(map(shown, theirs))} cannot be added: {reason}"
    return WeightsError.make("E0739", message, rule.span, help=help)


def _listed(origin: MappedSource) -> str:
    return " + ".join(map(shown, origin.names))


def _one_each(origin: MappedSource, unread: str) -> str:
    text = rule_text(origin.names, unread, transpose=origin.transpose)
    return f"no rule reads {shown(unread)} of the model: if one of them is meant for it, write `{text}`"


def _sum_of(our_name: str, earlier: MappedSource, later: MappedSource) -> str | None:
    """Both in one rule: as they are written if these rules read nothing else, or by the names."""
    one, other = earlier.rule, later.rule
    out = "leave one out with `=> none` only if the other holds all of it"
    if earlier.transpose != later.transpose or earlier.parts + later.parts > 2:
        return out
    if one and other and one.ours == other.ours and not any(t.stars for t in one.theirs):
        text, where = one.reading([t.text for t in (*one.theirs, *other.theirs)]), "in place of both"
    else:
        names = (*earlier.names, *later.names)
        text, where = rule_text(names, our_name, transpose=later.transpose), "before them"
    return f"if their sum is meant, as of the two biases of an LSTM of PyTorch, write `{text}` {where}; {out}"


def _check_reachable(rules: Sequence[Rule]) -> None:
    first: dict[Any, Rule] = {}
    for rule in rules:
        for template in rule.theirs:
            earlier = first.setdefault(template.pieces, rule)
            if earlier is not rule:
                message = f"the rule {rule} never applies: {earlier} comes first"
                raise WeightsError.make("E0738", message, rule.span)


def _check_parts(targets: Mapping[str, Target], known: Container[str]) -> None:
    for theirs, target in targets.items():
        absent = [name for name in target.ours if name not in known]
        if absent:
            joined = ", ".join(map(shown, target.ours))
            message = f"{shown(theirs)} joins {joined}, but {shown(absent[0])} is not among the weights"
            raise WeightsError.make("E0737", message)
