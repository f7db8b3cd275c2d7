"""From text to syntax tree.

Each top-level item is parsed by itself, so that every item with a mistake is reported. The tree is
lossless together with the tokens: `Syntax.tokens` and the text between them give the source back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lark import Token, Tree, UnexpectedToken
from lark.exceptions import VisitError

from netdsl.diagnostics import Diagnostic, Label, NetError, cap
from netdsl.parsing.errors import unexpected
from netdsl.parsing.layout import ItemTokens, grammar, lay_out, tokenize
from netdsl.parsing.tree import TreeBuilder
from netdsl.source import Source
from netdsl.syntax import File, Header, Item

LANGUAGE = (1, 0)
"""The version of the language that this package reads."""


@dataclass(frozen=True)
class Syntax:
    """A parsed file: the tree, and the tokens it was made from (newlines included)."""

    source: Source
    file: File
    tokens: tuple[Token, ...]


def parse(source: Source, *, is_file: bool = True) -> Syntax:
    """The syntax tree of a source.

    Args:
        is_file: Whether the text is a file, which says first which version it is written in.

    Raises:
        NetError: with one diagnostic for each item that does not parse.
    """
    tokens = tokenize(source)
    items: list[Item] = []
    found: list[Diagnostic] = []
    for part in lay_out(source, tokens):
        if found and _continues(part):
            continue
        result = _parse_part(source, part)
        if isinstance(result, Diagnostic):
            found.append(result)
        else:
            items.append(result)
    found += _check_header(source, items) if is_file and not found else []
    if found:
        raise NetError(cap(sorted(found, key=lambda d: d.span.start if d.span else 0)))
    return Syntax(source, File(source.span(0, len(source.text)), tuple(items)), tuple(tokens))


def _continues(part: ItemTokens) -> bool:
    """Whether a part that follows a mistake is its echo: the rest of an item, which is indented."""
    return part.tokens[0].column != 1 or part.tokens[0].type in ("RBRACE", "RPAR", "RSQB")


def _parse_part(source: Source, part: ItemTokens) -> Item | Diagnostic:
    """The item; or, of a bracket and a token that do not fit, the one that is noticed first.

    A `)` left out is noticed late by counting, but at once by the grammar: at the `->` after it.
    """
    if part.bracket is not None and part.bracket.code in ("E0602", "E0604"):
        return part.bracket
    tree, refused = _parse_tokens(part.tokens)
    if tree is None:
        if part.bracket is not None and part.noticed <= _position(part.tokens, refused):
            return part.bracket
        return unexpected(source, part.tokens, refused, _accepted(part.tokens[:refused]), part.unclosed)
    if part.bracket is not None:
        return part.bracket
    try:
        return TreeBuilder(source).build(tree)
    except VisitError as failed:
        if isinstance(failed.orig_exc, NetError):
            return failed.orig_exc.diagnostics[0]
        raise


def _parse_tokens(tokens: Sequence[Token]) -> tuple[Tree[Token] | Token | None, int]:
    """The parse tree; or None, and the index of the token that the grammar refuses."""
    interactive = grammar().parse_interactive(start="item")
    for index, token in enumerate(tokens):
        try:
            interactive.feed_token(token)
        except UnexpectedToken:
            return None, index
    try:
        tree = interactive.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]  # Lark's own stub gap
    except UnexpectedToken:
        return None, len(tokens)
    assert isinstance(tree, (Tree, Token))
    return tree, len(tokens)


def _position(tokens: Sequence[Token], index: int) -> float:
    """Where in the text a token starts; the end of an item comes after all that was counted."""
    return (tokens[index].start_pos or 0) if index < len(tokens) else math.inf


def _accepted(tokens: Sequence[Token]) -> set[str]:
    """The types of token that may follow some tokens.

    They are fed to a fresh parser: the one that refused a token has reduced what stood before it.
    """
    interactive = grammar().parse_interactive(start="item")
    for token in tokens:
        interactive.feed_token(token)
    return set(interactive.accepts())  # type: ignore[no-untyped-call]  # Lark's own stub gap


def _check_header(source: Source, items: Sequence[Item]) -> list[Diagnostic]:
    ours = f"{LANGUAGE[0]}.{LANGUAGE[1]}"
    if not items or not isinstance(items[0], Header):
        at = source.span(items[0].span.start, items[0].span.start) if items else source.span(0, 0)
        message = "the file does not say which version of the language it is written in"
        return [Diagnostic("E0110", message, (Label(at),), f"start the file with `net {ours}`")]
    first = Label(items[0].span, "the first is here")
    found = [
        Diagnostic("E0111", "the version is given twice", (Label(item.span), first), "keep the first one")
        for item in items[1:]
        if isinstance(item, Header)
    ]
    version = (items[0].major, items[0].minor)
    if version[0] != LANGUAGE[0] or version > LANGUAGE:
        message = (
            f"the file is written in `net {version[0]}.{version[1]}`, but this program reads `net {ours}`"
        )
        help = "install a newer netdsl" if version > LANGUAGE else f"write `net {ours}`"
        found.append(Diagnostic("E0112", message, (Label(items[0].span),), help))
    return found
