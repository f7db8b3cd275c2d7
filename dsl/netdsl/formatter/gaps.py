"""The gaps between tokens: comments and line ends."""

from __future__ import annotations

import re
from dataclasses import replace

from netdsl.immutable import immutable

_PARTS = re.compile(r"#[^\n]*|\n")


@immutable
class Comment:
    """One comment. `own_line` is false if it trails code; `after_blank`: below a blank line."""

    text: str
    own_line: bool
    after_blank: bool


@immutable
class Gap:
    """The trivia before a token; `newline` and `blank` say what follows its last comment, if any."""

    comments: tuple[Comment, ...] = ()
    newline: bool = False
    blank: bool = False

    def then(self, later: Gap) -> Gap:
        """Both gaps as one, for a separator that moves to the other side of its line end."""
        moved = tuple(replace(c, own_line=c.own_line or self.newline) for c in later.comments)
        return Gap(
            self.comments + moved,
            self.newline or later.newline,
            later.blank if later.newline else self.blank,
        )

    def with_blank(self) -> Gap:
        """The gap with a blank line after the comment that trails, before all else."""
        trailing = self.comments[:1] if self.comments and not self.comments[0].own_line else ()
        own = self.comments[len(trailing) :]
        if not own:
            return replace(self, blank=True)
        return replace(self, comments=(*trailing, replace(own[0], after_blank=True), *own[1:]))


def read_gap(text: str) -> Gap:
    """The gap of a run of spaces, line ends and comments."""
    comments: list[Comment] = []
    newlines = 0
    for part in _PARTS.findall(text):
        if part == "\n":
            newlines += 1
        else:
            comments.append(Comment(part.rstrip(), newlines > 0, newlines > 1))
            newlines = 0
    return Gap(tuple(comments), newlines > 0, newlines > 1)
