"""A header that cannot be read, read as its message offers, so that the body behind it is checked too."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import NetError
from netdsl.edits import Edit
from netdsl.parsing.lexing import tokenize
from netdsl.parsing.token import Token
from netdsl.source import Source

_LONGEST = 5_000
"""The longest header that is read again, in characters."""


def corrected(source: Source, header: Sequence[Token], edits: Sequence[Edit]) -> list[Token] | None:
    """The tokens of a header after edits, at their places in the text; None if the edits are elsewhere."""
    start, end = header[0].start_pos, header[-1].end_pos
    if not edits or end - start > _LONGEST:
        return None
    text, places = "", list[int]()
    at = start
    for edit in sorted(edits, key=lambda edit: edit.span.start):
        span = edit.span
        if span.source is not source or span.start < at or span.end > end:
            return None
        text += source.text[at : span.start] + edit.text
        places += [*range(at, span.start), *[span.start] * len(edit.text)]
        at = span.end
    text, places = text + source.text[at:end], [*places, *range(at, end + 1)]
    try:
        tokens, wrong = tokenize(Source(source.name, text))
    except NetError:
        return None
    return None if wrong else [_placed(source, token, places) for token in tokens]


def _placed(source: Source, token: Token, places: Sequence[int]) -> Token:
    """The token at its place in the text; an inserted one is empty there."""
    start, end = places[token.start_pos], places[token.end_pos]
    return Token(token.type, str(token), start, end, *source.position(start))
