"""Reading an item with mistakes statement by statement, so that none hides the others.

Each statement of the body is parsed by itself, behind the header of its item. Those that cannot be read are
replaced by a placeholder, and the item is parsed again; the tree then has a `Broken` node in their place.
Where brackets do not fit, statements end by layout: a line that is not indented more than the first statement
of the body begins the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from netdsl import syntax as s
from netdsl.diagnostics import Diagnostic
from netdsl.parsing.layout import ITEM_WORDS, STATEMENT_WORDS, ItemTokens, span_of
from netdsl.parsing.token import Token
from netdsl.source import Source, Span

_HEADERS = {
    "CONFIG": ("CONFIG",),
    "WEIGHTS": ("WEIGHTS", "NAME"),
    "TRAIN": ("TRAIN",),
    "TEST": ("TEST", "STRING"),
    "CELL": ("CELL", "NAME"),
}
_CLOSERS = frozenset(("RPAR", "RSQB", "RBRACE"))
_OPENERS = frozenset(("LPAR", "LSQB", "LBRACE"))
_BINDING = frozenset(word.upper() for word in STATEMENT_WORDS) | {"INPUT", "METRIC"}
_AFTER_FIRST = frozenset(("EQUAL", "COMMA", "STRING"))
_PLACEHOLDER = "__unread"


AnyItem = TypeVar("AnyItem", bound=s.Item)


@dataclass
class Piece:
    """One statement of a body: its tokens, and what is wrong with it, if anything is."""

    tokens: list[Token]
    finding: Diagnostic | None = None
    is_broken: bool = False
    tuples: list[Diagnostic] = field(default_factory=list)
    """Findings about tuples that are read on as lists."""

    def findings(self) -> list[Diagnostic]:
        """All that is wrong with the statement."""
        return [*self.tuples, *([self.finding] if self.finding is not None else [])]

    def end(self) -> Token:
        """An empty token right behind the statement."""
        last = self.tokens[-1]
        column = last.column + last.end_pos - last.start_pos
        return Token(last.type, "", last.end_pos, last.end_pos, last.line, column)

    def holds(self, at: int) -> bool:
        """Whether a place in the text is inside the statement."""
        return self.tokens[0].start_pos <= at < self.tokens[-1].end_pos

    def unclosed(self) -> Token | None:
        """The innermost bracket of the statement that nothing closes."""
        opened: list[Token] = []
        for token in self.tokens:
            if token.type in _OPENERS:
                opened.append(token)
            elif token.type in _CLOSERS and opened:
                opened.pop()
        return opened[-1] if opened else None

    def swallows_a_line(self, is_config: bool) -> bool:
        """Whether a line inside reads as a statement of its own, and is not indented more than the first."""
        first = self.tokens[0]
        pairs = pairwise(self.tokens)
        starts = [n for n, (a, b) in enumerate(pairs, 1) if b.line != a.line and b.column == first.column]
        return any(_begins_statement(self.tokens[n : n + 2], is_config) for n in starts)

    def names(self, source: Source) -> tuple[s.Ident, ...]:
        """The names that the statement may bind: its first words, and outside brackets any before an `=`.

        Between `,` and `:` as well: a second entry on one line. And at the start of a line in the braces of a
        statement of control.
        """
        if (registered := self._registered()) is not None:
            return (s.Ident(span_of(source, registered), registered.strip("\"'")),)
        words, depth, is_start, before = list[Token](), 0, True, ""
        has_body = any(token.type == "IF" or token in ("for", "while") for token in self.tokens)
        for token, after in zip(self.tokens, [*self.tokens[1:], None], strict=True):
            depth += (token.type in _OPENERS) - (token.type in _CLOSERS)
            is_start = is_start and token.type in _BINDING | {"COMMA", "NAME"}
            binds = ("EQUAL", "COLON") if before == "COMMA" else ("EQUAL",)
            is_bound = after is not None and after.type in binds
            is_bound = is_bound and (depth == 0 or (has_body and before in ("LBRACE", "NEWLINE")))
            before = token.type
            word = token.strip('"')
            is_key = token.type == "STRING" and not words
            if (token.type.isalpha() and word.isidentifier() and (is_start or is_bound)) or is_key:
                words.append(token)
        return tuple(s.Ident(span_of(source, word), word.strip('"')) for word in words)

    def _registered(self) -> Token | None:
        """The name in `self.register_buffer("mask", ..)`."""
        start = "".join(self.tokens[:4])
        is_call = start in ("self.register_buffer(", "self.register_parameter(")
        return self.tokens[4] if is_call and len(self.tokens) > 4 else None


@dataclass
class Parts:
    """An item taken apart: the tokens up to its `{`, its statements, and the `}` if there is one."""

    header: list[Token]
    pieces: list[Piece] = field(default_factory=list)
    closer: Token | None = None
    findings: list[Diagnostic] = field(default_factory=list)
    """What is wrong with the item outside its statements."""


def take_apart(part: ItemTokens) -> Parts | None:
    """The statements of an item with sound brackets; None if it has no body of statements."""
    at = _body_start(part.tokens)
    if at is None:
        return None
    depth, piece, parts = 1, list[Token](), Parts(part.tokens[: at + 1])
    for index in range(at + 1, len(part.tokens)):
        token = part.tokens[index]
        depth += (token.type in _OPENERS) - (token.type in _CLOSERS)
        if depth == 0:
            parts.closer = token
            break
        if token.type == "NEWLINE" and depth == 1:
            parts.pieces.append(Piece(piece))
            piece = []
        else:
            piece.append(token)
    parts.pieces.append(Piece(piece))
    parts.pieces = [piece for piece in parts.pieces if piece.tokens]
    return parts


def take_apart_by_layout(raw: Sequence[Token]) -> Parts | None:
    """The statements of an item whose brackets do not fit, from all its tokens with their new lines."""
    at = _body_start(raw)
    if at is None:
        return None
    body = list(raw[at + 1 :])
    while body and body[-1].type == "NEWLINE":
        body.pop()
    parts = Parts(list(raw[: at + 1]))
    if body and body[-1].type == "RBRACE" and body[-1].column <= raw[0].column:
        parts.closer = body.pop()
    lines = _lines(body)
    base = next((line[0].column for line in lines), 1)
    is_config = str(raw[0]) == "config"
    for line in lines:
        begins = not parts.pieces or (line[0].column <= base and _begins_statement(line, is_config))
        if begins:
            parts.pieces.append(Piece(list(line)))
        else:
            parts.pieces[-1].tokens += line
    return parts


def _lines(tokens: Sequence[Token]) -> list[list[Token]]:
    """The lines that hold a token; each but the last ends with its new line."""
    lines: list[list[Token]] = [[]]
    for token in tokens:
        lines[-1].append(token)
        if token.type == "NEWLINE":
            lines.append([])
    return [line for line in lines if line and line[0].type != "NEWLINE"]


def _begins_statement(line: Sequence[Token], is_config: bool) -> bool:
    """Whether a line reads as the first of a statement: `return ..`, `param w ..`, `name = ..`."""
    first = line[0]
    if first.type in _BINDING:
        return True
    after = line[1].type if len(line) > 1 else ""
    is_word = str(first) in STATEMENT_WORDS | {"input", "metric"}
    return first.type == "NAME" and (is_word or after in _AFTER_FIRST or (is_config and after == "COLON"))


def _body_start(tokens: Sequence[Token]) -> int | None:
    """The index of the `{` of an item's body; None for an import, a header, or a chain as body."""
    if not tokens or str(tokens[0]) not in ITEM_WORDS - {"net", "import"}:
        return None
    depth = 0
    for index, token in enumerate(tokens):
        if token.type == "LBRACE":
            return index
        if token.type == "EQUAL" and depth == 0:
            return None
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
    return None


def plain_header(kind: str, like: Token) -> list[Token]:
    """A header of an item of that kind, to stand for one that cannot be read."""
    types = _HEADERS.get(kind, ("BLOCK", "NAME"))
    return [*(like.update(type=type_, value="unread") for type_ in types), like.update("LBRACE", "{")]


def placeholder(piece: Piece, kind: str) -> list[Token]:
    """Tokens that parse as a statement in a body of that kind, at the place of one that cannot be read."""
    first, last = piece.tokens[0], piece.tokens[-1]

    def token(type_: str, value: str, at: Token) -> Token:
        return at.update(type_, value)

    if kind == "WEIGHTS":
        return [
            token("STRING", f'"{_PLACEHOLDER}{first.start_pos}"', first),
            token("FATARROW", "=>", first),
            token("NONE", "none", last),
        ]
    return [token("NAME", _PLACEHOLDER, first), token("EQUAL", "=", first), token("NONE", "none", last)]


def names_of(source: Source, tokens: Sequence[Token]) -> tuple[s.Ident, ...]:
    """The words among some tokens."""
    return tuple(s.Ident(span_of(source, t), str(t)) for t in tokens if str(t).isidentifier())


def with_broken(item: AnyItem, pieces: Sequence[Piece], source: Source) -> AnyItem:
    """The item with `Broken` nodes in the place of the placeholders of these pieces."""
    broken = {}
    for piece in pieces:
        span = _span(source, piece)
        broken[span.start] = s.Broken(span, piece.names(source))
    if isinstance(item, s.Config):
        return replace(item, entries=tuple(broken.get(e.span.start, e) for e in item.entries))
    if isinstance(item, s.Train):
        return replace(item, lines=tuple(broken.get(line.span.start, line) for line in item.lines))
    if isinstance(item, (s.Block, s.Test)):
        return replace(item, body=tuple(broken.get(x.span.start, x) for x in item.body))
    return item


def _span(source: Source, piece: Piece) -> Span:
    return span_of(source, piece.tokens[0]).to(span_of(source, piece.tokens[-1]))


def broken_item(source: Source, tokens: Sequence[Token]) -> s.BrokenItem:
    """An item of which only the first words can be read."""
    words = [t for t in tokens[1:2] if t.type == "NAME"]
    name = s.Ident(span_of(source, words[0]), str(words[0])) if words else None
    span = span_of(source, tokens[0]).to(span_of(source, tokens[-1]))
    return s.BrokenItem(span, str(tokens[0]), name)
