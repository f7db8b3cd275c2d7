"""The indentation of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netdsl.formatter.code import CLOSERS, OPENERS, TOP, Code
from netdsl.formatter.spacing import is_tight_equal

INDENT = 2


@dataclass
class _Frame:
    """The inside of a bracket: where its statements or elements start, and where its closer is.

    Of the statement that is being read: `shift` is the extra indentation of what follows a line end
    after `=`, and `in_stage` says whether its last `->` started a line.
    """

    content: int
    outside: int
    shift: int = 0
    in_stage: bool = False


def indentation(code: Code, breaks: Sequence[bool]) -> list[int]:
    """For each token, the columns before a line that starts there, where lines start as `breaks` says."""
    frames = {TOP: _Frame(0, 0)}
    found: list[int] = []
    line = 0
    for i, kind in enumerate(code.types):
        frame = frames[code.frame[i]]
        found.append(frames[code.opener[i]].outside if kind in CLOSERS else _indent(code, frame, i))
        line = found[i] if breaks[i] or i == 0 else line
        if kind == "ARROW":
            frame.in_stage = breaks[i]
        if kind in OPENERS:
            at = 0 if i == code.signature_end else line
            frames[i] = _Frame(at + INDENT, at)
        elif breaks[i] and code.types[i - 1] == "EQUAL" and not is_tight_equal(code, i - 1):
            frame.shift = INDENT
    return found


def _indent(code: Code, frame: _Frame, i: int) -> int:
    if not _continues(code, i):
        frame.shift, frame.in_stage = 0, False
        return frame.content
    in_stage = frame.in_stage and code.types[i] != "ARROW"
    return frame.content + INDENT + frame.shift + (INDENT if in_stage else 0)


def _continues(code: Code, i: int) -> bool:
    """Whether a line that starts at token `i` continues the line before."""
    if i == 0 or code.hard[i] or code.types[i - 1] in OPENERS:
        return False
    frame = code.frame[i]
    if frame == TOP or code.types[frame] == "LBRACE":
        return True
    return code.types[i - 1] != "COMMA" and code.types[i] != "VBAR"
