"""Compiles the grammar of `.net` files by Lark: LALR(1) tables, and the pattern of the tokens.

Source: DeRemer and Pennello, "Efficient Computation of LALR(1) Look-Ahead Sets", 1982, as Lark implements it.
"""

from __future__ import annotations

import re
from typing import Any

from lark import Lark
from lark.grammar import Rule
from lark.lexer import PatternStr, TerminalDef
from lark.parsers.lalr_analysis import Shift

WORDS = "NAME"
"""The type of token that a reserved word would have if it were not reserved."""
_OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": "item",
    "maybe_placeholders": True,
    "propagate_positions": True,
}


def compiled() -> Lark:
    """The grammar, compiled from its text."""
    return Lark.open_from_package("netgrammar", "net.lark", ("",), **_OPTIONS)


def tables_of(parser: Lark) -> dict[str, Any]:
    """What reading a text needs of the grammar; see `tables.Tables`. The same grammar has the same tables."""
    conf = parser.parse_interactive(start="item").parser_state.parse_conf
    order = [conf.start_state]
    numbers = {conf.start_state: 0}
    rules: dict[Rule, int] = {}
    states: list[dict[str, int]] = []
    for state in order:  # it grows: Lark's own order changes from one time to the next
        row = {}
        for symbol, (action, argument) in sorted(conf.states[state].items()):
            if action is not Shift:
                row[str(symbol)] = ~rules.setdefault(argument, len(rules))
                continue
            if argument not in numbers:
                numbers[argument] = len(order)
                order.append(argument)
            row[str(symbol)] = numbers[argument]
        states.append(row)
    return {
        **_words(parser),
        "rules": [_rule(rule) for rule in rules],
        "states": states,
        "start": numbers[conf.start_state],
        "end": numbers[conf.end_state],
    }


def _words(parser: Lark) -> dict[str, Any]:
    """The pattern of all tokens, in the order in which Lark tries them; the reserved words."""
    name = next(t for t in parser.terminals if t.name == WORDS)
    is_name = re.compile(name.pattern.to_regexp()).fullmatch
    texts = [t for t in parser.terminals if isinstance(t.pattern, PatternStr)]
    reserved = {t.pattern.value: str(t.name) for t in texts if is_name(t.pattern.value)}
    others = sorted((t for t in parser.terminals if t.name not in reserved.values()), key=_precedence)
    pattern = "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in others)
    return {"pattern": pattern, "reserved": reserved, "ignored": sorted(map(str, parser.ignore_tokens))}


def _precedence(terminal: TerminalDef) -> tuple[int, int, int, str]:
    pattern = terminal.pattern
    return -terminal.priority, -pattern.max_width, -len(pattern.value), terminal.name


def _rule(rule: Rule) -> tuple[Any, ...]:
    """A rule by the fields of `tables.Rule`."""
    empty = rule.options.empty_indices or (False,) * len(rule.expansion)
    missing = [len(run) for run in "".join("1" if e else "0" for e in empty).split("0")]
    keep, skipped = [], 0
    for index, symbol in enumerate(rule.expansion):
        skipped += missing[index]
        if not (symbol.is_term and symbol.filter_out):  # type: ignore[attr-defined]
            keep.append((index, not symbol.is_term and symbol.name.startswith("_"), skipped))
            skipped = 0
    size, origin, after = len(rule.expansion), str(rule.origin.name), skipped + missing[-1]
    single = bool(rule.options.expand1) and not rule.alias
    passes_through = single and size == 1 and keep == [(0, False, 0)] and not after
    return size, origin, str(rule.alias or origin), keep, after, single, passes_through
