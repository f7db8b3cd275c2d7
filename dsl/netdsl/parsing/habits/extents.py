"""Where brackets and statements end, the text between tokens, and the diagnostic that replaces a text."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.parsing.token import Token
from netdsl.source import Source, Span

BODIES = ("MODEL", "BLOCK", "CELL")
"""The first tokens of items whose body is made of statements."""
NEAR = 5_000
"""How far from a mistake the text is searched, in characters."""
_OPENERS = ("LPAR", "LSQB", "LBRACE")
_CLOSERS = ("RPAR", "RSQB", "RBRACE")


def change_of_depth(token: Token) -> int:
    """1 for an opening bracket, -1 for a closing one, 0 for anything else."""
    return (token.type in _OPENERS) - (token.type in _CLOSERS)


def matching(tokens: Sequence[Token], start: int) -> int | None:
    """The index of the bracket that closes the one at an index."""
    depth = 0
    for n in range(start, len(tokens)):
        depth += change_of_depth(tokens[n])
        if depth == 0:
            return n
    return None


def statement(place: Place, start: int) -> Sequence[Token]:
    """The rest of a statement from one of its tokens."""
    depth = 0
    for n in range(start, len(place.tokens)):
        depth += change_of_depth(place.tokens[n])
        if depth < 0 or (depth == 0 and place.tokens[n].type == "NEWLINE"):
            return place.tokens[start:n]
    return place.tokens[start:]


def statement_span(place: Place, start: int) -> Span:
    """The place of the rest of a statement from one of its tokens."""
    return span_between(place, statement(place, start) or place.tokens[start : start + 1])


def span_between(place: Place, tokens: Sequence[Token]) -> Span:
    """The place of the first of these tokens to the last."""
    return span_of(place.source, tokens[0]).to(span_of(place.source, tokens[-1]))


def text_of(place: Place, tokens: Sequence[Token]) -> str:
    """The text of these tokens, with what is between them."""
    return span_between(place, tokens).text if tokens else ""


def split_at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens between commas outside brackets."""
    parts, depth = [list[Token]()], 0
    for token in tokens:
        depth += change_of_depth(token)
        if token.type == "COMMA" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def end_of_indented(source: Source, start: int, line_end: int) -> int:
    """Where the lines end that follow a line and are indented more than the word at `start`."""
    indent = start - source.text.rfind("\n", 0, start) - 1
    end = line_end
    for line in source.text[line_end + 1 : line_end + 1 + NEAR].splitlines(keepends=True):
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        end += len(line)
    return line_end + len(source.text[line_end : end + 1].rstrip())


def complete_line(span: Span) -> Span:
    """A place with its indentation before it and its new line after it, for removing it."""
    text = span.source.text
    start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
    return span.source.span(start, end + 1 if end >= 0 else len(text))


def instead(message: str, at: Span, span: Span, text: str, help: str = "") -> Diagnostic:
    """E0107 at one place, whose way out replaces another by a text."""
    help = help or f"write `{text}`"
    return Diagnostic("E0107", message, (Label(at),), help, fixes=(replacement(span, text),))
