"""What to say when a token cannot stand where it stands.

The parser knows the set of tokens it would have accepted; people are told in words, by the most
telling rule that fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from netdsl.diagnostics import Diagnostic, Label, suggest
from netdsl.layout import ITEM_WORDS, span_of
from netdsl.source import Source, Span

_RESERVED = frozenset("""FOR IN IF ELSE WHEN AND OR NOT RESIDUAL VIA SCAN TRUE FALSE NONE AS IS""".split())
_VALUES = frozenset("NAME INT FLOAT STRING LSQB LPAR TRUE FALSE NONE".split())
_VALUE_ENDS = frozenset("NAME INT FLOAT STRING RSQB RPAR TRUE FALSE NONE".split())
_STATEMENTS = "let, layer, param, buffer, const, state, next, return, assert"
_WORDS = {
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "EQUAL": "`=`",
    "ARROW": "`->`",
    "FATARROW": "`=>`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "RANGE": "`..`",
    "IN": "`in`",
    "ELSE": "`else`",
    "NEWLINE": "a new line",
}


def unexpected(
    source: Source, token: Token | None, previous: Token | None, accepts: set[str], item: Sequence[Token]
) -> Diagnostic:
    """The diagnostic for a token that the grammar refuses; `token` is None at the end of an item."""
    if token is None:
        assert previous is not None
        return _early_end(source, previous, accepts)
    span = span_of(source, token)
    opener = _innermost_opener(item, token)
    for rule in (_not_an_item, _reserved, _arrow_in_arguments, _single_equal, _missing_comma, _line_end):
        found = rule(source, token, previous, accepts, opener)
        if found:
            return found
    expected = _in_words(accepts)
    help = f"expected {expected}" if expected else None
    where = f" after `{_shown(previous)}`" if previous is not None else ""
    return Diagnostic("E0107", f"`{_shown(token)}` cannot stand here{where}", (Label(span),), help)


def _early_end(source: Source, previous: Token, accepts: set[str]) -> Diagnostic:
    at = span_of(source, previous)
    expected = _in_words(accepts)
    help = f"expected {expected} next" if expected else None
    return Diagnostic("E0108", f"this ends too early, after `{_shown(previous)}`", (Label(at),), help)


def _not_an_item(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if previous is not None:
        return None
    near = suggest(str(token), ITEM_WORDS)
    help = (
        near
        or "a file is made of `config`, `block`, `cell`, `model`, `weights`, `train`, `test` and `import`"
    )
    message = f"`{_shown(token)}` does not start anything here"
    return Diagnostic("E0105", message, (Label(span_of(source, token)),), help)


def _reserved(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if token.type not in _RESERVED or "NAME" not in accepts:
        return None
    message = f"`{token}` is a word of the language and cannot be a name"
    return Diagnostic("E0106", message, (Label(span_of(source, token)),), f"call it `{token}_`, say")


def _arrow_in_arguments(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if token.type != "ARROW" or opener is None or opener.type == "LBRACE" or not accepts & {"RPAR", "RSQB"}:
        return None
    closer = ")" if opener.type == "LPAR" else "]"
    also = Label(span_of(source, opener), f"this `{opener}` is still open")
    return Diagnostic(
        "E0109",
        f"`->` stands inside `{opener}{closer}`",
        (Label(span_of(source, token), f"is a `{closer}` missing before this?"), also),
        f"close the `{opener}` first; a pipeline inside arguments needs its own parentheses",
    )


def _single_equal(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if token.type != "EQUAL" or "COMPARE" not in accepts:
        return None
    span = span_of(source, token)
    return Diagnostic("E0107", "`=` cannot stand here", (Label(span),), "equality is written `==`")


def _missing_comma(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if "COMMA" not in accepts or token.type not in _VALUES or opener is None or opener.type == "LBRACE":
        return None
    if previous is None or previous.type not in _VALUE_ENDS:
        return None
    message = f"a `,` is missing between `{_shown(previous)}` and `{_shown(token)}`"
    return Diagnostic("E0107", message, (Label(span_of(source, token)),), "separate the values with `,`")


def _line_end(
    source: Source, token: Token, previous: Token | None, accepts: set[str], opener: Token | None
) -> Diagnostic | None:
    if token.type != "NEWLINE" or previous is None:
        return None
    last = span_of(source, previous)
    at = Span(source, last.start, last.end)
    expected = _in_words(accepts)
    help = f"expected {expected} on this line" if expected else None
    return Diagnostic("E0108", f"the line ends too early, after `{_shown(previous)}`", (Label(at),), help)


def _innermost_opener(item: Sequence[Token], token: Token) -> Token | None:
    stack: list[Token] = []
    for seen in item:
        if seen is token:
            break
        if seen.type in ("LPAR", "LSQB", "LBRACE"):
            stack.append(seen)
        elif seen.type in ("RPAR", "RSQB", "RBRACE") and stack:
            stack.pop()
    return stack[-1] if stack else None


def _in_words(accepts: set[str]) -> str:
    """The accepted tokens as a person would list them: at most four, values and statements in one word."""
    words: list[str] = []
    if {"NAME", "INT"} <= accepts:
        words.append("a value")
    elif {"RETURN", "LET"} <= accepts:
        words.append(f"a statement ({_STATEMENTS}, or `name = ...`)")
    elif "NAME" in accepts:
        words.append("a name")
    elif "STRING" in accepts:
        words.append("a string")
    words += [word for kind, word in _WORDS.items() if kind in accepts and kind not in _VALUES]
    if not words or len(words) > 4:
        return ""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(token: Token) -> str:
    return "end of line" if token.type == "NEWLINE" else str(token)
