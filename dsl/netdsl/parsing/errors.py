"""Messages for tokens that are not allowed.

The parser knows which tokens it would have accepted; the message comes from the most specific rule
that applies. Habits from other languages have rules of their own in `habits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.parsing.habits.bare import first_input
from netdsl.parsing.habits.extents import instead
from netdsl.parsing.habits.habits import HABITS
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import OPENERS, Place, shown
from netdsl.parsing.token import Token
from netdsl.source import Source

_RESERVED = frozenset("""FOR IN IF ELSE WHEN AND OR NOT RESIDUAL VIA SCAN TRUE FALSE NONE AS IS""".split())
_VALUES = frozenset("NAME INT FLOAT STRING LSQB LPAR TRUE FALSE NONE".split())
_VALUE_ENDS = frozenset("NAME INT FLOAT STRING RSQB RPAR TRUE FALSE NONE".split())
_STAGES = {"RESIDUAL": "{ ... }", "SCAN": "LSTM(16)", "FOR": "i in 0..4 { ... }"}
_ENDS = frozenset("NEWLINE RBRACE RPAR RSQB VBAR COMMA".split())
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
_MISSING = ("FATARROW", "EQUAL", "RANGE", "IN", "LBRACE")
_BODY_OWNERS = ("MODEL", "BLOCK", "CELL", "CONFIG", "WEIGHTS", "TRAIN", "TEST")


def unexpected(
    source: Source,
    tokens: Sequence[Token],
    index: int,
    accepts: set[str],
    unclosed: Token | None,
) -> Diagnostic:
    """The diagnostic for the token of an item that the grammar rejects.

    Args:
        tokens: The tokens of the item.
        index: The index of the rejected token; the number of tokens if the item ends too early.
        accepts: The types of token that are allowed there.
        unclosed: A bracket of the item that nothing closes, if there is one.
    """
    place = Place(source, tokens, index, frozenset(accepts), unclosed)
    for rule in _RULES:
        found = rule(place)
        if found:
            return found
    token = place.token
    if token is None or token.type == "NEWLINE":
        return _ends_early(place)
    where = f" after `{shown(place.previous)}`" if place.previous is not None else ""
    return place.report("E0107", f"`{token}` is not allowed here{where}", help=_expected(accepts))


def _ends_early(place: Place) -> Diagnostic:
    assert place.previous is not None
    expected = _expected(set(place.accepts))
    what = "the line" if place.token is not None else "this"
    label = (Label(span_of(place.source, place.previous)),)
    return Diagnostic("E0108", f"{what} ends too early, after `{shown(place.previous)}`", label, expected)


def _reserved(place: Place) -> Diagnostic | None:
    word = place.token
    if word is not None and word.type == "COLON" and place.previous is not None:
        word = place.previous
    elif "NAME" not in place.accepts:
        return None
    if word is None or word.type not in _RESERVED:
        return None
    if _is_stage(place):
        piped = first_input(place.tokens)
        help = f"write what goes in first: `{piped} -> {word} {_STAGES[word.type]}`"
        return place.report(
            "E0107",
            f"`{word}` is a stage, and nothing is piped into it",
            help=help,
            write=f"{piped} -> {word}",
        )
    message = f"`{word}` is a keyword and cannot be a name"
    return Diagnostic(
        "E0106", message, (Label(span_of(place.source, word)),), f"rename it, for example to `{word}_`"
    )


def _is_stage(place: Place) -> bool:
    """Whether a word such as `residual` begins a stage where a value is expected."""
    word, previous, following = place.token, place.previous, place.following
    if word is None or previous is None or following is None or word.type not in _STAGES:
        return False
    starts = "LBRACE" if word.type == "RESIDUAL" else "NAME"
    return previous.type in ("EQUAL", "RETURN") and following.type == starts


def _unclosed_line(place: Place) -> Diagnostic | None:
    """A new line that begins inside a `(` or `[` which nothing closes."""
    opener, token, previous = place.opener, place.token, place.previous
    if opener is None or opener is not place.unclosed or token is None or previous is None:
        return None
    if opener.type == "LBRACE" or token.type in ("ARROW", *_ENDS):
        return None
    if token.line == previous.line and place.index > 1 and token.type == "EQUAL":
        token, previous = previous, place.tokens[place.index - 2]
    if token.line == previous.line:
        return None
    closer = OPENERS[opener.type][1]
    also = Label(span_of(place.source, previous), f"is a `{closer}` missing after this?")
    label = Label(span_of(place.source, opener))
    end = also.span.end
    edit = replacement(place.source.span(end, end), closer, is_certain=False)
    message = f"this `{opener}` is not closed"
    return Diagnostic("E0104", message, (label, also), f"add `{closer}`", fixes=(edit,))


def _arrow_in_arguments(place: Place) -> Diagnostic | None:
    opener, token = place.opener, place.token
    if token is None or token.type != "ARROW" or opener is None or opener.type == "LBRACE":
        return None
    if not place.accepts & {"RPAR", "RSQB"}:
        return None
    closer = OPENERS[opener.type][1]
    also = Label(span_of(place.source, opener), f"this `{opener}` is still open")
    if opener is place.unclosed:
        text, help = f"is a `{closer}` missing before this?", f"close the `{opener}` first"
    else:
        text, help = "", "a pipeline inside arguments needs its own parentheses: `f((x -> g), y)`"
    label = Label(span_of(place.source, token), text)
    return Diagnostic("E0109", f"`->` is inside `{opener}{closer}`", (label, also), help)


def _arrow_without_stage(place: Place) -> Diagnostic | None:
    """`->` with nothing before or after it."""
    token, previous = place.token, place.previous
    if previous is not None and previous.type == "ARROW" and (token is None or token.type in _ENDS):
        label = (Label(span_of(place.source, previous)),)
        help = "name the next stage, or remove the `->`"
        return Diagnostic("E0108", "nothing comes after this `->`", label, help)
    if token is None or token.type != "ARROW" or previous is None or "NAME" not in place.accepts:
        return None
    if previous.type == "ARROW":
        return place.report("E0107", "two arrows follow each other", help="one `->` joins two stages")
    help = "start with a value: `y = x -> ...`, `return x -> ...`"
    return place.report("E0107", "this `->` has nothing before it", help=help)


def _if_without_else(place: Place) -> Diagnostic | None:
    if "ELSE" not in place.accepts or (place.token is not None and place.token.type not in _ENDS):
        return None
    opened = next((t for t in reversed(place.before) if t.type == "IF"), None)
    if opened is None:
        return None
    help = "write `a if c else b`; a stage that may be left out is `stage when c`"
    label = (Label(span_of(place.source, opened)),)
    return Diagnostic("E0108", "this `if` has no `else`", label, help)


def _single_equal(place: Place) -> Diagnostic | None:
    if place.token is None or place.token.type != "EQUAL" or "COMPARE" not in place.accepts:
        return None
    return place.report("E0107", "`=` is not allowed here", help="equality is written `==`", write="==")


def _missing_body(place: Place) -> Diagnostic | None:
    first = place.tokens[0].type
    if place.token is not None or "LBRACE" not in place.accepts or first not in _BODY_OWNERS:
        return None
    assert place.previous is not None
    label = (Label(span_of(place.source, place.previous), "a `{` is missing after this"),)
    return Diagnostic("E0108", f"this `{place.tokens[0]}` has no body", label, "write `{ ... }`")


def _factor(place: Place) -> Diagnostic | None:
    """`0.1x`."""
    token, previous = place.token, place.previous
    if token is None or previous is None or token.type != "NAME" or previous.type not in ("INT", "FLOAT"):
        return None
    end = span_of(place.source, previous).end
    if end != token.start_pos or "STAR" not in place.accepts or place.tokens[0].type == "CONFIG":
        return None
    found = place.report("E0107", "a product is written with `*`", help=f"write `{previous} * {token}`")
    return replace(found, fixes=(replacement(place.source.span(end, end), " * "),))


def _percent(place: Place) -> Diagnostic | None:
    """`lr=1%`."""
    sign = place.previous
    number = place.tokens[place.index - 2] if place.index > 1 else None
    if sign is None or sign != "%" or number is None or number.type not in ("INT", "FLOAT"):
        return None
    if place.token is not None and place.token.type in _VALUES:
        return None
    span = span_of(place.source, number).to(span_of(place.source, sign))
    return instead("there are no percentages", span, span, f"{float(number) / 100:.6g}")


def _missing_comma(place: Place) -> Diagnostic | None:
    token, previous, opener = place.token, place.previous, place.opener
    if token is None or token.type not in _VALUES or opener is None or opener.type == "LBRACE":
        return None
    if previous is None or previous.type not in _VALUE_ENDS or "COMMA" not in place.accepts:
        return None
    end = span_of(place.source, previous).end
    if previous.type == "NAME" and {"COLON", "EQUAL"} <= place.accepts:
        message = f"a `:` is missing between `{previous}` and `{token}`"
        found = place.report("E0107", message, help=f"write `{previous}: {token}...`")
        return replace(found, fixes=(replacement(place.source.span(end, end), ":", is_certain=False),))
    message = f"a `,` is missing between `{shown(previous)}` and `{token}`"
    found = place.report("E0107", message, help="separate the values with `,`")
    return replace(found, fixes=(replacement(place.source.span(end, end), ","),))


def _missing_sign(place: Place) -> Diagnostic | None:
    """A value where only one sign is allowed: `width: int 64`."""
    token, previous = place.token, place.previous
    if token is None or previous is None or token.type not in _VALUES:
        return None
    missing = [kind for kind in _MISSING if kind in place.accepts]
    if len(missing) != 1:
        return None
    sign = _WORDS[missing[0]]
    return place.report("E0107", f"a {sign} is missing between `{shown(previous)}` and `{token}`")


def _two_values(place: Place) -> Diagnostic | None:
    """Two values in a row outside brackets: an operator or an arrow is missing, or a new line."""
    token, previous = place.token, place.previous
    if token is None or previous is None or "ARROW" not in place.accepts:
        return None
    if token.type not in _VALUES or previous.type not in _VALUE_ENDS:
        return None
    if token.type == "NAME" and place.following is not None and place.following.type == "EQUAL":
        return place.report("E0107", f"a second statement starts at `{token}`", help="give it its own line")
    help = f"to apply `{token}`, write `-> {token}`; to combine two values, put an operator between them"
    found = place.report("E0107", f"`{token}` is not allowed here after `{shown(previous)}`", help=help)
    if token.type != "NAME" or previous.type not in ("NAME", "RPAR"):
        return found
    at = span_of(place.source, token).start
    return replace(found, fixes=(replacement(place.source.span(at, at), "-> ", is_certain=False),))


_RULES: tuple[Callable[[Place], Diagnostic | None], ...] = (
    *HABITS,
    _unclosed_line,
    _reserved,
    _arrow_in_arguments,
    _arrow_without_stage,
    _if_without_else,
    _single_equal,
    _missing_body,
    _factor,
    _percent,
    _missing_comma,
    _missing_sign,
    _two_values,
)
"""In the order in which they are tried."""


def _expected(accepts: set[str]) -> str | None:
    words = _listing(accepts)
    return f"expected {words}" if words else None


def _listing(accepts: set[str]) -> str:
    """The accepted tokens as a list to read: at most five entries, values and statements as one each."""
    if {"RETURN", "LET"} <= accepts:
        return f"a statement ({_STATEMENTS}, or `name = ...`)"
    words: list[str] = []
    if {"NAME", "INT"} <= accepts:
        words.append("a value")
    elif "NAME" in accepts:
        words.append("a name")
    elif "STRING" in accepts:
        words.append("a string")
    words += [word for kind, word in _WORDS.items() if kind in accepts and kind not in _VALUES]
    if "PLUS" in accepts:
        words.append("an operator")
    if not words or len(words) > 5:
        return ""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
