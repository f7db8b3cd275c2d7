"""Runs the LALR tables over the tokens of an item, and builds its nodes on the way.

Lark's own parser makes a tree that would then be transformed into ours. Without that tree, and with positions
kept beside the values, a file is read in a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netdsl.parsing.token import Token
from netdsl.work import spend
from netgrammar.tables import Rule, Tables, tables

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


def run(tokens: Sequence[Token], build: Build) -> tuple[Any, int | None]:
    """What is built of the tokens, and None; or None, and the index of the token that the grammar refuses.

    The index is the number of tokens if they end too early.
    """
    spend(TOKEN_STEPS * len(tokens))
    grammar = tables()
    stack = _Stack([grammar.start])
    for index, token in enumerate(tokens):
        if not _shift(grammar, stack, token, build):
            return None, index
    return (stack.values[-1], None) if _ends(grammar, stack, build) else (None, len(tokens))


def _shift(grammar: Tables, stack: _Stack, token: Token, build: Build) -> bool:
    """Take a token, behind the rules that end before it. Returns whether the grammar accepts it."""
    states = stack.states
    while (action := grammar.states[states[-1]].get(token.type)) is not None:
        if action >= 0:
            stack.shift(action, token)
            return True
        _reduce(grammar, stack, grammar.rules[~action], build)
    return False


def _ends(grammar: Tables, stack: _Stack, build: Build) -> bool:
    """Apply the rules that end with the text. Returns whether the text is complete."""
    states = stack.states
    while states[-1] != grammar.end:
        action = grammar.states[states[-1]].get(_END)
        if action is None:
            return False
        _reduce(grammar, stack, grammar.rules[~action], build)
    return True


def _reduce(grammar: Tables, stack: _Stack, rule: Rule, build: Build) -> None:
    states = stack.states
    if rule.passes_through:
        states.pop()
    else:
        stack.reduce(rule, build)
    states.append(grammar.states[states[-1]][rule.origin])


def refused(tokens: Sequence[Token]) -> int | None:
    """The index of the token that the grammar refuses, as in `run`; None if the tokens are an item."""
    return run(tokens, _nothing)[1]


def accepted(tokens: Sequence[Token]) -> set[str]:
    """The types of token that may follow some tokens, which begin an item."""
    grammar = tables()
    stack = _Stack([grammar.start])
    for token in tokens:
        _shift(grammar, stack, token, _nothing)
    kinds = grammar.states[stack.states[-1]]
    return {kind for kind in kinds if kind.isupper() and _may_follow(grammar, [*stack.states], kind)}


def _may_follow(grammar: Tables, states: list[int], kind: str) -> bool:
    """Whether a type of token is accepted behind the rules that end before it."""
    while (action := grammar.states[states[-1]].get(kind)) is not None:
        if action >= 0:
            return True
        rule = grammar.rules[~action]
        del states[-rule.size :]
        states.append(grammar.states[states[-1]][rule.origin])
    return kind == _END and states[-1] == grammar.end


def _nothing(rule: str, extent: Extent, parts: list[Any]) -> None:
    """Builds no nodes."""


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
        self.starts.append(token.start_pos)
        self.ends.append(token.end_pos)

    def reduce(self, rule: Rule, build: Build) -> None:
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
