"""From tokens to top-level items.

Newlines end statements, but most are soft: inside parentheses, before an arrow, after a comma. The
layout stage drops those, gives statement words (`param`, `return`, ...) their types where a statement
starts, checks brackets, and cuts the file into items, so that a mistake in one item does not hide
the mistakes in the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.parsing.token import Token
from netdsl.source import Source, Span

LANGUAGE = (1, 0)
"""The version of the language that this package reads."""
MAX_SOURCE_BYTES = 1_000_000
MAX_NESTING = 100
MAX_ITEM_TOKENS = 100_000

ITEM_WORDS = frozenset("net import config block cell model weights train test".split())
_BEFORE_NAME = frozenset("let layer param buffer const state next input metric".split())
_ALWAYS = frozenset("return assert expect".split())
STATEMENT_WORDS = (_BEFORE_NAME | _ALWAYS) - {"input", "metric"}

_OPERATORS = frozenset("PLUS STAR SLASH FLOORDIV PERCENT AT POWER COMPARE AND OR IS".split())
_SOFT_AFTER = _OPERATORS | frozenset(
    """MINUS NOT IN IF ELSE WHEN VIA COMMA ARROW VBAR EQUAL FATARROW RANGE COLON LBRACE LPAR LSQB TILDE
    DOT""".split()
)
_SOFT_BEFORE = _OPERATORS | frozenset(
    """ARROW VBAR FATARROW VIA WHEN IF ELSE COMMA RBRACE RPAR RSQB TILDE DOT EQUAL""".split()
)
_CLOSERS = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
_SHAPES = {"LPAR": "()", "LSQB": "[]", "LBRACE": "{}"}


def span_of(source: Source, token: Token) -> Span:
    assert token.start_pos is not None and token.end_pos is not None
    return Span(source, token.start_pos, token.end_pos)


@dataclass
class ItemTokens:
    """The tokens of one top-level item, and what is wrong with its brackets, if anything is.

    `noticed` is where in the text the counting of brackets fails, and `unclosed` the bracket that
    nothing closes.
    """

    tokens: list[Token] = field(default_factory=list)
    bracket: Diagnostic | None = None
    noticed: int = 0
    unclosed: Token | None = None


def lay_out(source: Source, tokens: Sequence[Token]) -> list[ItemTokens]:
    """Drop soft newlines, type the statement words, check brackets, and cut into items."""
    return _Cutter(source, tokens).run()


class _Cutter:
    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.items: list[ItemTokens] = []
        self.item: list[Token] = []
        self.open: list[Token] = []
        self.open_types: Counter[str] = Counter()
        self.bracket: Diagnostic | None = None
        self.noticed = 0
        self.unclosed: Token | None = None
        self.choices = 0
        self.position = 0
        self.after = _next_words(tokens)

    def run(self) -> list[ItemTokens]:
        fresh_line = True
        for index, token in enumerate(self.tokens):
            if token.type == "NEWLINE":
                fresh_line = True
                self._newline(index, token)
                continue
            if fresh_line and self._starts_item(index):
                self._finish("before the next item")
            fresh_line = False
            self._take(index, token)
        self._finish("before the file ends")
        return self.items

    def _starts_item(self, index: int) -> bool:
        """Whether an item starts here: after a hard newline, or so plainly that something is missing."""
        token = self.tokens[index]
        if not self.open and (not self.item or self.item[-1].type == "NEWLINE"):
            return True
        if token.type != "NAME" or token not in ITEM_WORDS:
            return False
        after = self.tokens[index + 1].type if index + 1 < len(self.tokens) else ""
        return token.column == 1 and after in ("NAME", "STRING", "LBRACE")

    def _newline(self, index: int, token: Token) -> None:
        inside_braces = bool(self.open) and self.open[-1].type == "LBRACE"
        if not self.item or self.item[-1].type in _SOFT_AFTER | {"NEWLINE"}:
            return
        after = self.after[index]
        if after is None or after.type in _SOFT_BEFORE or not (inside_braces or not self.open):
            return
        self.choices = 0
        self.item.append(token)

    def _take(self, index: int, token: Token) -> None:
        self.position = token.start_pos
        if token.type in _SHAPES:
            self._open(token)
        elif token.type in _CLOSERS:
            self._close(token)
        elif token.type == "ELSE":
            self.choices += 1
            if self.choices > MAX_NESTING:
                self._too_deep(token)
        self.item.append(self._typed(index, token))

    def _typed(self, index: int, token: Token) -> Token:
        """Give a word its type where it starts an item or a statement."""
        if token.type != "NAME":
            return token
        before = self.item[-1].type if self.item else None
        if before is None and not self.open and token in ITEM_WORDS:
            return token.update(type=token.upper())
        starts = before in ("LBRACE", "NEWLINE") and bool(self.open) and self.open[-1].type == "LBRACE"
        if not starts:
            return token
        after = self.after[index]
        if token in _ALWAYS or (token in _BEFORE_NAME and after is not None and after.type == "NAME"):
            return token.update(type=token.upper())
        return token

    def _open(self, token: Token) -> None:
        self.open.append(token)
        self.open_types[token.type] += 1
        if len(self.open) > MAX_NESTING:
            self._too_deep(token)

    def _too_deep(self, token: Token) -> None:
        message = f"brackets and choices nest more than {MAX_NESTING} deep here"
        self._report("E0602", message, token, help="give the inner part a name with `let` or a `block`")

    def _close(self, token: Token) -> None:
        wanted = _CLOSERS[token.type]
        if self.open and self.open[-1].type == wanted:
            self._pop()
        elif not self.open:
            help = "remove it, or add its opening bracket"
            self._report("E0103", f"this `{token}` has no opening bracket", token, help=help)
        elif self.open_types[wanted]:
            self._skipped(token, wanted)
        else:
            opener = self.open[-1]
            also = [Label(span_of(self.source, opener), f"this needs `{_SHAPES[opener.type][1]}`")]
            if opener.type == "LBRACE":
                self._report("E0103", f"this `{token}` has no opening bracket", token, help="remove it")
            else:
                self._pop()
                message = f"`{token}` does not close the `{opener}` opened before it"
                self._report("E0103", message, token, also=also)

    def _skipped(self, token: Token, wanted: str) -> None:
        """A closer of an outer bracket, while inner ones are open."""
        opener = self.open[-1]
        closer = _SHAPES[opener.type][1]
        also = [Label(span_of(self.source, token), f"this `{token}` comes first")]
        self.unclosed = self.unclosed or opener
        edits = (replacement(self.source.span(token.start_pos, token.start_pos), closer),)
        message = f"this `{opener}` is not closed"
        self._report("E0104", message, opener, also=also, help=f"add `{closer}`", fixes=edits)
        while self._pop() != wanted:
            pass

    def _pop(self) -> str:
        """Close the innermost bracket; returns its type."""
        kind = self.open.pop().type
        self.open_types[kind] -= 1
        return kind

    def _finish(self, where: str) -> None:
        """End the open item."""
        if self.open:
            opener = self.open[-1]
            closer = _SHAPES[opener.type][1]
            self.unclosed = self.unclosed or opener
            self.position = len(self.source.text)
            last = next((t.end_pos for t in reversed(self.item) if t.type != "NEWLINE"), 0)
            text = f"\n{closer}" if closer == "}" else closer
            edits = (replacement(self.source.span(last, last), text, is_certain=False),)
            message = f"this `{opener}` is not closed {where}"
            self._report("E0104", message, opener, help=f"add `{closer}`", fixes=edits)
        while self.item and self.item[-1].type == "NEWLINE":
            self.item.pop()
        if len(self.item) > MAX_ITEM_TOKENS:
            message = f"this item is {len(self.item):,} tokens long, but the limit is {MAX_ITEM_TOKENS:,}"
            self.bracket = None
            self._report("E0604", message, self.item[0], help="split it into blocks")
        if self.item:
            self.items.append(ItemTokens(self.item, self.bracket, self.noticed, self.unclosed))
        self.item, self.open, self.bracket = [], [], None
        self.open_types.clear()
        self.choices, self.unclosed = 0, None

    def _report(
        self,
        code: str,
        message: str,
        token: Token,
        *,
        also: Sequence[Label] = (),
        help: str | None = None,
        fixes: Sequence[Edit] = (),
    ) -> None:
        """Keep the first finding of an item; later ones are mostly its echo."""
        if self.bracket is None:
            self.noticed = self.position
            label = Label(span_of(self.source, token))
            self.bracket = Diagnostic(code, message, (label, *also), help, fixes=tuple(fixes))


def _next_words(tokens: Sequence[Token]) -> list[Token | None]:
    """For each token, the one after it that is not a line end; None if there is none."""
    following: list[Token | None] = []
    after: Token | None = None
    for token in reversed(tokens):
        following.append(after)
        if token.type != "NEWLINE":
            after = token
    following.reverse()
    return following
