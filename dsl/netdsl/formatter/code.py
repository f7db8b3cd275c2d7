"""The tokens of one item with all that spacing and line breaking ask about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdsl import syntax as s
from netdsl.formatter.gaps import Gap, read_gap
from netdsl.parsing.token import Token
from netdsl.source import Source

OPENERS = frozenset("LPAR LSQB LBRACE".split())
CLOSERS = frozenset("RPAR RSQB RBRACE".split())
_VALUE_ENDS = frozenset("NAME INT FLOAT STRING RSQB RPAR TRUE FALSE NONE".split())
_DEFINITIONS = frozenset("BLOCK CELL MODEL".split())
TOP = -1
"""The frame of the tokens that no bracket encloses."""


class Code:
    """One item: its tokens without line ends, and for each token

    `gaps`: the trivia before it; `hard`: whether the line end before it ends a statement;
    `frame`: the index of the bracket around it, or `TOP` (a bracket itself belongs to the frame outside it);
    `depth`: the number of brackets around it.

    `closer` and `opener` lead from a bracket to its match. `signature_end` is the `{` or `=` after the
    signature of a block, and 0 in other items.
    """

    def __init__(self, source: Source, tokens: Sequence[Token], start: int, item: s.Item) -> None:
        self.item = item
        self.tokens = [token for token in tokens if token.type != "NEWLINE"]
        self.types = [token.type for token in self.tokens]
        self.hard = [False] + [tokens[i - 1].type == "NEWLINE" for i in _after_first(tokens)]
        self.gaps = self._read_gaps(source, start)
        self._match_brackets()
        self.signature_end = self._find_signature_end()
        self._move_gaps()
        self.forks = {node.span.start for node in walk(item) if isinstance(node, s.Fork)}
        self.repeats = {node.span.start for node in walk(item) if isinstance(node, s.Repeat)}

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def end(self) -> int:
        """The offset in the source at which the item ends."""
        return end_of(self.tokens[-1])

    def _read_gaps(self, source: Source, start: int) -> list[Gap]:
        gaps = []
        for token in self.tokens:
            gaps.append(read_gap(source.text[start : start_of(token)]))
            start = end_of(token)
        return gaps

    def _match_brackets(self) -> None:
        self.frame: list[int] = []
        self.depth: list[int] = []
        self.closer: dict[int, int] = {}
        self.opener: dict[int, int] = {}
        open_: list[int] = []
        for i, kind in enumerate(self.types):
            if kind in CLOSERS:
                self.opener[i] = open_.pop()
                self.closer[self.opener[i]] = i
            self.frame.append(open_[-1] if open_ else TOP)
            self.depth.append(len(open_))
            if kind in OPENERS:
                open_.append(i)

    def _move_gaps(self) -> None:
        """Let lines end after a comma, and start with `->` and `|`."""
        for i in range(1, len(self) - 1):
            if self.types[i] in ("ARROW", "VBAR") and self.gaps[i + 1].newline:
                self.gaps[i] = self.gaps[i].then(self.gaps[i + 1])
                self.gaps[i + 1] = Gap()
            elif self.types[i] == "COMMA" and self.gaps[i].newline:
                self.gaps[i + 1] = self.gaps[i].then(self.gaps[i + 1])
                self.gaps[i] = Gap()

    # -- what a token is ------------------------------------------------------------------------

    def gap_frame(self, i: int) -> int:
        """The innermost bracket around the gap before token `i`."""
        if self.types[i - 1] in OPENERS:
            return i - 1
        return self.opener[i] if self.types[i] in CLOSERS else self.frame[i]

    def in_list(self, i: int) -> bool:
        return self.frame[i] != TOP and self.types[self.frame[i]] == "LSQB"

    def is_fork(self, i: int) -> bool:
        """Whether the bracket at `i` opens a fork `( A | B )`."""
        return start_of(self.tokens[i]) in self.forks

    def is_repeat(self, i: int) -> bool:
        """Whether the `*` at `i` repeats a stage."""
        return start_of(self.tokens[i]) in self.repeats

    def is_modifier(self, i: int) -> bool:
        """Whether a word follows a value directly: `reverse`, `shared`, `within`."""
        follows = i > 0 and not self.hard[i] and self.types[i - 1] in _VALUE_ENDS
        return follows and self.types[i] == "NAME"

    def ends_value(self, i: int) -> bool:
        return self.types[i] in _VALUE_ENDS and not self.is_modifier(i)

    def is_unary(self, i: int) -> bool:
        """Whether the `-` or `*` at `i` has no left operand."""
        if self.types[i] == "MINUS":
            return not self.ends_value(i - 1)
        return self.types[i] == "STAR" and self.types[i - 1] in ("LSQB", "COMMA") and self.in_list(i)

    def is_signature_arrow(self, i: int) -> bool:
        """Whether the `->` at `i` leads to the outputs of a block, and not to a stage."""
        return self.types[i] == "ARROW" and i < self.signature_end

    def _find_signature_end(self) -> int:
        if self.types[0] not in _DEFINITIONS:
            return 0
        ends = ("EQUAL", "LBRACE")
        return next(i for i in range(len(self)) if self.frame[i] == TOP and self.types[i] in ends)


def walk(node: s.Node) -> Iterator[s.Node]:
    """The node and all nodes below it."""
    waiting: list[object] = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, tuple):
            waiting.extend(at)
        elif isinstance(at, s.Node):
            yield at
            waiting.extend(vars(at).values())


def start_of(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos


def end_of(token: Token) -> int:
    assert token.end_pos is not None
    return token.end_pos


def _after_first(tokens: Sequence[Token]) -> Iterator[int]:
    return (i for i in range(1, len(tokens)) if tokens[i].type != "NEWLINE")
