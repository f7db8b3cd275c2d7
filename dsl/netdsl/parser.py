"""From text to syntax tree.

Each top-level item is parsed by itself, so that every item with a mistake is reported. The tree is
lossless together with the tokens: `Syntax.tokens` and the text between them give the source back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lark import Token, Tree, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from netdsl.diagnostics import Diagnostic, Label, NetError
from netdsl.layout import ItemTokens, grammar, lay_out, tokenize
from netdsl.source import Source
from netdsl.syntax import File, Header, Item
from netdsl.syntax_errors import unexpected
from netdsl.tree import TreeBuilder

LANGUAGE = (1, 0)
"""The version of the language that this package reads."""


@dataclass(frozen=True)
class Syntax:
    """A parsed file: the tree, and the tokens it was made from (newlines included)."""

    source: Source
    file: File
    tokens: tuple[Token, ...]


def parse(source: Source) -> Syntax:
    """The syntax tree of a source.

    Raises:
        NetError: with one diagnostic for each item that does not parse.
    """
    tokens = tokenize(source)
    items: list[Item] = []
    found: list[Diagnostic] = []
    for part in lay_out(source, tokens):
        result = _parse_part(source, part)
        if isinstance(result, Diagnostic):
            found.append(result)
        else:
            items.append(result)
    found += _check_header(source, items) if not found else []
    if found:
        raise NetError(sorted(found, key=lambda d: d.span.start if d.span else 0))
    return Syntax(source, File(source.span(0, len(source.text)), tuple(items)), tuple(tokens))


def _parse_part(source: Source, part: ItemTokens) -> Item | Diagnostic:
    """The item; or, of a bracket and a token that do not fit, the one that comes first in the text.

    A `)` left out is noticed late by counting, but at once by the grammar: at the `->` after it.
    """
    if part.bracket is None:
        return _parse_item(source, part.tokens)
    if part.bracket.code in ("E0602", "E0604"):
        return part.bracket
    result = _parse_item(source, part.tokens)
    if isinstance(result, Diagnostic) and result.code != "E0108" and result.span and part.bracket.span:
        return result if result.span.start < part.bracket.span.start else part.bracket
    return part.bracket


def _parse_item(source: Source, tokens: Sequence[Token]) -> Item | Diagnostic:
    interactive = grammar().parse_interactive(start="item")
    previous: Token | None = None
    for token in tokens:
        try:
            interactive.feed_token(token)
        except UnexpectedToken:
            return unexpected(source, token, previous, _accepted(interactive), tokens)
        previous = token
    try:
        tree = interactive.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]  # Lark's own stub gap
    except UnexpectedToken:
        return unexpected(source, None, previous, _accepted(interactive), tokens)
    assert isinstance(tree, (Tree, Token))
    try:
        return TreeBuilder(source).build(tree)
    except NetError as error:
        return error.diagnostics[0]


def _accepted(interactive: InteractiveParser) -> set[str]:
    return set(interactive.accepts())  # type: ignore[no-untyped-call]  # Lark's own stub gap


def _check_header(source: Source, items: Sequence[Item]) -> list[Diagnostic]:
    ours = f"{LANGUAGE[0]}.{LANGUAGE[1]}"
    if not items or not isinstance(items[0], Header):
        at = items[0].span if items else source.span(0, 0)
        message = "the file does not say which version of the language it is written in"
        return [Diagnostic("E0110", message, (Label(at),), f"start the file with `net {ours}`")]
    found = [
        Diagnostic("E0111", "the version is given a second time", (Label(item.span),), "keep the first one")
        for item in items[1:]
        if isinstance(item, Header)
    ]
    version = (items[0].major, items[0].minor)
    if version[0] != LANGUAGE[0] or version > LANGUAGE:
        message = (
            f"the file is written in `net {version[0]}.{version[1]}`, and this program reads `net {ours}`"
        )
        help = "install a newer netdsl" if version > LANGUAGE else f"write `net {ours}`"
        found.append(Diagnostic("E0112", message, (Label(items[0].span),), help))
    return found
