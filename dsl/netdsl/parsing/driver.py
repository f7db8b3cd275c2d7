"""Runs Lark's LALR tables over the tokens of an item, and builds its nodes on the way.

Lark's own parser makes a tree that is then transformed into ours. Without that tree, and with positions kept
beside the values, a file is read in a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from lark import Token
from lark.grammar import Rule
from lark.parsers.lalr_analysis import Shift

from netdsl.immutable import immutable
from netdsl.work import spend
from netgrammar.tables import grammar

Build = Callable[[str, "Extent", list[Any]], Any]
"""Makes the node of a rule, by the rule's name, from where it is in the text and what it consists of."""
_END = "$END"
TOKEN_STEPS = 3
"""The work of parsing one token."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the tokens of a rule are in the text."""

    start_pos: int
    end_pos: int


@immutable
class Reduction:
    """How a rule of the grammar turns `size` values into one; no rule of ours is empty.

    Args:
        origin: The rule's name in the table.
        name: The name of what is built; rules whose name begins with `_` only list their parts.
        keep: The values that are kept: the index, whether it is a list of parts, and how many optional
            parts are missing before it.
        missing: How many optional parts are missing at the end.
        single: Whether one part alone takes the place of the node.
    """

    size: int
    origin: str
    name: str
    keep: tuple[tuple[int, bool, int], ...]
    missing: int
    single: bool

    @cached_property
    def passes_through(self) -> bool:
        """Whether the rule only renames its one value."""
        return self.single and self.size == 1 and self.keep == ((0, False, 0),) and not self.missing

    def parts(self, values: Sequence[Any]) -> list[Any]:
        """The parts of the node: the kept values, `None` for each optional part that is missing."""
        parts: list[Any] = []
        for index, is_list, missing in self.keep:
            if missing:
                parts += [None] * missing
            if not is_list:
                parts.append(values[index])
            elif parts:
                parts += values[index]
            else:
                parts = values[index]  # a list that grows by one part at a time is not copied
        return parts + [None] * self.missing if self.missing else parts


@immutable
class Tables:
    """For each state: by type of token the next state or the rule that ends, and the states after rules."""

    actions: Mapping[int, Mapping[str, int | Reduction]]
    gotos: Mapping[int, Mapping[str, int]]
    start: int
    end: int


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables of the grammar, from Lark's."""
    conf = grammar().parse_interactive(start="item").parser_state.parse_conf
    rules: dict[Rule, Reduction] = {}
    actions: dict[int, dict[str, int | Reduction]] = {}
    gotos: dict[int, dict[str, int]] = {}
    for state, entries in conf.states.items():
        gotos[state] = {kind: argument for kind, (action, argument) in entries.items() if action is Shift}
        actions[state] = {
            kind: argument if action is Shift else rules.setdefault(argument, _reduction(argument))
            for kind, (action, argument) in entries.items()
        }
    return Tables(actions, gotos, conf.start_state, conf.end_state)


def _reduction(rule: Rule) -> Reduction:
    empty = rule.options.empty_indices or (False,) * len(rule.expansion)
    missing = [len(run) for run in "".join("1" if e else "0" for e in empty).split("0")]
    keep, skipped = [], 0
    for index, symbol in enumerate(rule.expansion):
        skipped += missing[index]
        if not (symbol.is_term and symbol.filter_out):  # type: ignore[attr-defined]
            keep.append((index, not symbol.is_term and symbol.name.startswith("_"), skipped))
            skipped = 0
    return Reduction(
        len(rule.expansion),
        rule.origin.name,
        rule.alias or rule.origin.name,
        tuple(keep),
        skipped + missing[-1],
        bool(rule.options.expand1) and not rule.alias,
    )


def run(tokens: Sequence[Token], build: Build) -> tuple[Any, int | None]:
    """What is built of the tokens, and None; or None, and the index of the token that the grammar refuses.

    The index is the number of tokens if they end too early.
    """
    spend(TOKEN_STEPS * len(tokens))
    table = tables()
    actions, gotos, stack = table.actions, table.gotos, _Stack([table.start])
    states = stack.states
    for index, token in enumerate((*tokens, None)):
        kind = _END if token is None else token.type
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                return None, index
            if isinstance(action, int):
                assert token is not None
                stack.shift(action, token)
                break
            if action.passes_through:
                states[-1] = gotos[states[-2]][action.origin]
            else:
                stack.reduce(action, build)
                states.append(gotos[states[-1]][action.origin])
            if token is None and states[-1] == table.end:
                return stack.values[-1], None
    raise AssertionError("the tables accept no end")


def refused(tokens: Sequence[Token]) -> int | None:
    """The index of the token that the grammar refuses, as in `run`; None if the tokens are an item."""
    return run(tokens, lambda rule, extent, parts: None)[1]


@dataclass(slots=True)
class _Stack:
    """The states of the parser, and for each but the first its value and where that is in the text."""

    states: list[int]
    values: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def shift(self, state: int, token: Token) -> None:
        self.states.append(state)
        self.values.append(token)
        self.starts.append(token.start_pos or 0)
        self.ends.append(token.end_pos or 0)

    def reduce(self, rule: Reduction, build: Build) -> None:
        """Put one value in the place of those of a rule."""
        at = len(self.values) - rule.size
        parts = rule.parts(self.values[at:])
        start, end = self.starts[at], self.ends[-1]
        if rule.single and len(parts) == 1:
            value = parts[0]
        elif rule.name.startswith("_"):
            value = parts
        else:
            value = build(rule.name, Extent(start, end), parts)
        del self.states[at + 1 :], self.values[at:], self.starts[at:], self.ends[at:]
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)
