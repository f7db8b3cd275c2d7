"""How many spaces go between two tokens of one line."""

from __future__ import annotations

from netdsl.formatter.code import CLOSERS, OPENERS, TOP, Code

_ATOMS = frozenset("NAME INT FLOAT".split())
_BINDS = frozenset("DOT POWER SLASH FLOORDIV PERCENT AT".split())
_TIGHT_BEFORE = frozenset("COMMA COLON DOT RANGE POWER".split())
_TIGHT_AFTER = frozenset("DOT RANGE POWER".split())


def spaces(code: Code) -> list[str]:
    """For each token, what goes between it and the token before it: one space, or nothing."""
    tight_stars = _tight_stars(code)
    beside = tight_stars | {i + 1 for i in tight_stars}
    return ["", *("" if i in beside else _space(code, i) for i in range(1, len(code)))]


def is_tight_equal(code: Code, i: int) -> bool:
    """Whether `=` takes no spaces: in arguments and parameters, unless a type precedes it."""
    frame = code.frame[i]
    if frame == TOP or code.types[frame] != "LPAR":
        return False
    for k in range(i - 1, frame, -1):
        if code.frame[k] == frame and code.types[k] in ("COMMA", "COLON"):
            return code.types[k] == "COMMA"
    return True


def _space(code: Code, i: int) -> str:
    before, after = code.types[i - 1], code.types[i]
    if before in OPENERS or after in CLOSERS:
        return _space_inside(code, i)
    if before == "EQUAL" or after == "EQUAL":
        return "" if is_tight_equal(code, i if after == "EQUAL" else i - 1) else " "
    if before == "COMMA":
        return " "
    if before == "COLON" or after == "COLON":
        return " " if before == "COLON" and not code.in_list(i - 1) else ""
    if after in _TIGHT_BEFORE or before in _TIGHT_AFTER or code.is_unary(i - 1):
        return ""
    is_trailer = after in ("LPAR", "LSQB") and code.ends_value(i - 1)
    return "" if is_trailer else " "


def _space_inside(code: Code, i: int) -> str:
    """Inside a bracket, beside it: `{ a }` and `( A | B )`, but `(a)`, `[a]` and `{}`."""
    opener = code.gap_frame(i)
    if code.closer[opener] == opener + 1:
        return ""
    return " " if code.types[opener] == "LBRACE" or code.is_fork(opener) else ""


def _tight_stars(code: Code) -> set[int]:
    """`4*w`, but `4 * f(w)`: in products of plain names and numbers, `*` takes no spaces."""
    tight: set[int] = set()
    first = 0
    while first < len(code):
        last = first
        while code.types[last] in _ATOMS and _multiplies(code, last + 1) and code.types[last + 2] in _ATOMS:
            last += 2
        if not _binds(code, first - 1) and not _binds(code, last + 1) and not _has_trailer(code, last):
            tight.update(range(first + 1, last, 2))
        first = last + 1
    return tight


def _multiplies(code: Code, i: int) -> bool:
    return i < len(code) and code.types[i] == "STAR" and not code.is_repeat(i)


def _binds(code: Code, i: int) -> bool:
    """Whether the token at `i` makes the product beside it more than plain."""
    return 0 <= i < len(code) and (code.types[i] in _BINDS or _multiplies(code, i))


def _has_trailer(code: Code, i: int) -> bool:
    return i + 1 < len(code) and code.types[i + 1] in ("LPAR", "LSQB")
