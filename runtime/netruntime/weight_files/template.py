"""Names with holes: `layer{s+1}.{j}.conv1.*` matches all names of that form.

`{s}` matches a number without leading zeros, `{s+1}` one more than `s`; the same variable has the
same value everywhere. `*` matches any text, dots included, and takes as little as it can; the last
one takes the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from itertools import pairwise
from typing import NoReturn

from netdsl.immutable import immutable
from netdsl.source import Span
from netruntime.errors import WeightsError, shown

MAX_STARS = 8
MAX_HOLES = 16

_NUMBER = "0|[1-9][0-9]{0,8}"
_PIECE = re.compile(
    r"\{([A-Za-z_][A-Za-z0-9_]*)(?:([+-])([0-9]{1,9}))?\}|(\*)|([^{}*]+)|(\{[^{}]*\}|.)", re.S
)


@immutable
class Hole:
    """`{variable+offset}`."""

    variable: str
    offset: int


class Wildcard:
    """`*`."""


STAR = Wildcard()
Piece = str | Hole | Wildcard


@immutable
class Captures:
    """What the holes of a template stood for in one name."""

    numbers: Mapping[str, int]
    texts: tuple[str, ...]


@immutable
class Template:
    """A parsed template; make one with `parse_template`."""

    text: str
    pieces: tuple[Piece, ...]
    _pattern: str = field(repr=False, compare=False)
    _groups: tuple[tuple[str, Hole], ...] = field(repr=False, compare=False)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self._pattern, re.S)

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(piece.variable for piece in self.pieces if isinstance(piece, Hole))

    @property
    def stars(self) -> int:
        return sum(piece is STAR for piece in self.pieces)

    def match(self, name: str) -> Captures | None:
        """What the holes match in `name`, or None if it is not of this form."""
        match = self._regex.fullmatch(name)
        if match is None:
            return None
        numbers: dict[str, int] = {}
        for group, hole in self._groups:
            value = int(match[group]) - hole.offset
            if value < 0 or numbers.setdefault(hole.variable, value) != value:
                return None
        return Captures(numbers, tuple(match[f"text{n}"] for n in range(self.stars)))

    def render(self, captures: Captures) -> str | None:
        """The name with the holes filled, or None where a number would be negative."""
        texts = iter(captures.texts)
        parts = []
        for piece in self.pieces:
            if isinstance(piece, Hole):
                number = captures.numbers[piece.variable] + piece.offset
                if number < 0:
                    return None
                parts.append(str(number))
            else:
                parts.append(piece if isinstance(piece, str) else next(texts))
        return "".join(parts)


def parse_template(text: str, span: Span | None = None) -> Template:
    """The template that `text` spells. Raises `WeightsError` E0731 at `span`."""
    if not text:
        _bad("a name template is empty", span)
    pieces = _parse_pieces(text, span)
    for left, right in pairwise(pieces):
        if not isinstance(left, str) and not isinstance(right, str):
            _bad(f"{shown(text)} has two holes side by side, so names could be split in several ways", span)
    if sum(p is STAR for p in pieces) > MAX_STARS or sum(isinstance(p, Hole) for p in pieces) > MAX_HOLES:
        _bad(f"{shown(text)} has more than {MAX_STARS} `*` or {MAX_HOLES} numbers", span)
    pattern, groups = _pattern(pieces)
    return Template(text, pieces, pattern, groups)


def _parse_pieces(text: str, span: Span | None) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for match in _PIECE.finditer(text):
        variable, sign, offset, star, literal, wrong = match.groups()
        if wrong in ("{", "}"):
            _bad(f"{shown(text)} has a `{wrong}` without its partner", span)
        if wrong:
            _bad(f"{shown(wrong)} in {shown(text)} is not `{{name}}`, `{{name+1}}` or `{{name-1}}`", span)
        if variable:
            pieces.append(Hole(variable, int(f"{sign or ''}{offset or 0}")))
        else:
            pieces.append(STAR if star else literal)
    return tuple(pieces)


def _pattern(pieces: tuple[Piece, ...]) -> tuple[str, tuple[tuple[str, Hole], ...]]:
    """The regular expression, and which of its groups hold the numbers.

    All but the last `*` are in atomic groups together with what follows them: that is "as little as it
    can", and it keeps matching linear in the length of the name whatever the template.
    """
    groups: dict[str, Hole] = {}
    segments = [""]
    for piece in pieces:
        if piece is STAR:
            segments.append("")
        else:
            segments[-1] += _segment_part(piece, groups)
    first, *rest = segments
    parts = [first]
    for n, segment in enumerate(rest):
        lazy = f"(?P<text{n}>.*?){segment}"
        parts.append(lazy if n == len(rest) - 1 else f"(?>{lazy})")
    return "".join(parts), tuple(groups.items())


def _segment_part(piece: Piece, groups: dict[str, Hole]) -> str:
    if not isinstance(piece, Hole):
        return re.escape(str(piece))
    for group, hole in groups.items():
        if hole == piece:
            return f"(?P={group})"
    group = f"number{len(groups)}"
    groups[group] = piece
    return f"(?P<{group}>{_NUMBER})"


def _bad(message: str, span: Span | None) -> NoReturn:
    help = "write names as in `layer{i+1}.*`"
    raise WeightsError.make("E0731", message, span, help=help)
