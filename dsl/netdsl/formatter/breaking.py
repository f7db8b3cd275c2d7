"""Where the lines of an item end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from netdsl.formatter.code import CLOSERS, OPENERS, TOP, Code
from netdsl.formatter.indentation import INDENT, indentation
from netdsl.formatter.spacing import is_tight_equal, spaces

MAX_WIDTH = 100
"""The columns of a line of code, its trailing comment not counted."""

_OPERATORS = frozenset("PLUS MINUS STAR SLASH FLOORDIV PERCENT AT COMPARE AND OR FATARROW".split())
_BREAK_BEFORE = CLOSERS | _OPERATORS | frozenset("ARROW VBAR VIA WHEN IF ELSE IS TILDE".split())
_BREAK_AFTER = OPENERS | _OPERATORS | {"COMMA", "EQUAL"}


class Lines:
    """The lines of one item: `breaks[i]` says whether a line starts at token `i`."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._spaces = spaces(code)
        self.breaks = [i > 0 and _keeps_break(code, i) for i in range(len(code))]
        self._open_brackets()
        self.indents = indentation(code, self.breaks)
        while self._wrap():
            self._open_brackets()
            self.indents = indentation(code, self.breaks)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The tokens `[start, end)` of each line."""
        starts = [0, *(i for i, breaks in enumerate(self.breaks) if breaks), len(self.code)]
        return pairwise(starts)

    def text(self, start: int, end: int) -> str:
        """One line of code, without indentation and comments."""
        tokens = self.code.tokens
        return tokens[start] + "".join(self._spaces[i] + tokens[i] for i in range(start + 1, end))

    def comment_indent(self, i: int) -> int:
        """The indentation of a comment on the lines before token `i`."""
        return self.indents[i] + (INDENT if self.code.types[i] in CLOSERS else 0)

    def _open_brackets(self) -> None:
        """Put what is inside a bracket on lines of its own, wherever one of these lines ends.

        Each arm of a fork then starts a line; `via` continues a line that starts with `}`.
        """
        code = self.code
        for i in range(1, len(code)):
            frame = code.gap_frame(i)
            if self.breaks[i] and frame != TOP:
                self.breaks[frame + 1] = True
                self.breaks[code.closer[frame]] = True
        for i, kind in enumerate(code.types):
            if kind == "VBAR" and self.breaks[code.frame[i] + 1]:
                self.breaks[i] = True
            elif kind == "VIA" and self.breaks[i - 1] and not code.gaps[i].comments:
                self.breaks[i] = False

    # -- long lines -----------------------------------------------------------------------------

    def _wrap(self) -> bool:
        """Break each line that is too long at its outermost level; whether any was."""
        new: list[int] = []
        for start, end in self.ranges():
            if self.indents[start] + len(self.text(start, end)) > MAX_WIDTH:
                new += self._wrapped(start, end)
        for i in new:
            self.breaks[i] = True
        return bool(new)

    def _wrapped(self, start: int, end: int) -> list[int]:
        """Where to break a line: before its outermost `->` or `via`, or else inside its outermost brackets.

        The inside of a bracket stays on one line if it fits; otherwise each element has its own line.

        A short block starts its chain on a new line first.
        """
        code, body = self.code, self.code.signature_end + 1
        if start < body < end and code.types[body - 1] == "EQUAL":
            return [body]
        outermost = min(code.depth[start:end])
        level = [i for i in range(start + 1, end) if code.depth[i] == outermost]
        arrows = [i for i in level if code.types[i] == "ARROW" and not code.is_signature_arrow(i)]
        vias = [i for i in level if code.types[i] == "VIA" and not self.breaks[i - 1]]
        inside = code.frame[start] != TOP and code.types[code.frame[start]] != "LBRACE"
        commas = [i + 1 for i in level if inside and code.types[i] == "COMMA" and i + 1 < end]
        return arrows or vias or commas or self._wrapped_bracket(start, end)

    def _wrapped_bracket(self, start: int, end: int) -> list[int]:
        code = self.code
        candidates = [
            i
            for i in range(start, end)
            if code.types[i] in OPENERS and code.closer[i] < end and self._can_open(i)
        ]
        if not candidates:
            return []
        depth = min(code.depth[i] for i in candidates)
        outermost = [i for i in candidates if code.depth[i] == depth]
        braces = [i for i in outermost if code.types[i] == "LBRACE"]
        width = {i: len(self.text(i, code.closer[i])) for i in braces or outermost}
        widest = max(width, key=lambda i: width[i])
        if len(self.text(start, end)) - width[widest] <= MAX_WIDTH:
            chosen = [widest]
        else:
            # Breaking one by one would be slow for many.
            chosen = [i for i in width if 2 * width[i] >= width[widest]]
        return [at for i in chosen for at in (i + 1, code.closer[i])]

    def _can_open(self, opener: int) -> bool:
        """Whether a bracket may be broken; one such as `(x)` is better left unbroken."""
        code, closer = self.code, self.code.closer[opener]
        inside = [i for i in range(opener + 1, closer) if code.frame[i] == opener]
        if code.types[opener] == "LBRACE":
            return bool(inside)
        return any(code.types[i] in ("COMMA", "VBAR", "ARROW") for i in inside)


def _keeps_break(code: Code, i: int) -> bool:
    """Whether the author's line end before token `i` stays; one after a comment always does."""
    gap, before, after = code.gaps[i], code.types[i - 1], code.types[i]
    if code.hard[i] or gap.comments:
        return True
    empty = before in OPENERS and code.closer[i - 1] == i
    if not gap.newline or empty or code.is_signature_arrow(i):
        return False
    if after in _BREAK_BEFORE and not code.is_unary(i):
        return True
    if before == "EQUAL" and is_tight_equal(code, i - 1):
        return False
    return before in _BREAK_AFTER and not code.is_unary(i - 1)
