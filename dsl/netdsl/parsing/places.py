"""The place at which a file stops being a program: the refused token and what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.immutable import immutable
from netdsl.parsing.layout import span_of
from netdsl.parsing.token import Token
from netdsl.source import Source

OPENERS = {"LPAR": "()", "LSQB": "[]", "LBRACE": "{}"}
_CLOSERS = ("RPAR", "RSQB", "RBRACE")


@immutable
class Place:
    """A refused token. `accepts` are the types of token that could have stood there.

    `unclosed` is a bracket of the item that nothing closes, if there is one.
    """

    source: Source
    tokens: Sequence[Token]
    index: int
    accepts: frozenset[str]
    unclosed: Token | None

    @property
    def token(self) -> Token | None:
        """The refused token; None at the end of the item."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def previous(self) -> Token | None:
        return self.tokens[self.index - 1] if self.index else None

    @property
    def following(self) -> Token | None:
        return self.tokens[self.index + 1] if self.index + 1 < len(self.tokens) else None

    @property
    def before(self) -> Sequence[Token]:
        return self.tokens[: self.index]

    @cached_property
    def opener(self) -> Token | None:
        """The innermost bracket that is open here."""
        stack: list[Token] = []
        for seen in self.before:
            if seen.type in OPENERS:
                stack.append(seen)
            elif seen.type in _CLOSERS and stack:
                stack.pop()
        return stack[-1] if stack else None

    @property
    def starts_statement(self) -> bool:
        """Whether the token before is the first of a statement, or of a line in braces."""
        if self.index < 2:
            return False
        return self.tokens[self.index - 2].type in ("NEWLINE", "LBRACE") and self.opener is not None

    def report(
        self, code: str, message: str, text: str = "", *, help: str | None = None, write: str | None = None
    ) -> Diagnostic:
        """A diagnostic at the refused token; `write` is what to write for it, where that is certain."""
        assert self.token is not None
        span = span_of(self.source, self.token)
        fixes = () if write is None else (replacement(span, write),)
        return Diagnostic(code, message, (Label(span, text),), help, fixes=fixes)


def shown(token: Token) -> str:
    return "end of line" if token.type == "NEWLINE" else str(token)
