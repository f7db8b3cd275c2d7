"""Unified diffs in linear time, however long the texts are.

Lines that occur once in both texts, in the same order, are taken as equal; only what lies between two of them
is compared line by line. What is too long to be compared is shown as removed and added.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

MAX_COMPARED = 100_000
"""The most pairs of lines that are compared for one diff, beside the lines that occur once."""
CONTEXT = 3
"""The lines that are shown around a change."""
_NO_NEWLINE = "\n\\ No newline at end of file\n"

Block = tuple[int, int, int]
"""Equal lines: where they begin in either text, and their number."""
Change = tuple[str, int, int, int, int]
"""An opcode of `difflib`: `equal` or another word, and the ranges in both texts."""


def diff_of_texts(before: str, after: str, name: str, new_name: str) -> str:
    """The unified diff from one text to another, empty if they are equal."""
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    matcher = SequenceMatcher(None, "", "")
    matcher.opcodes = _changes(_equal_blocks(old, new), len(old), len(new))  # type: ignore[attr-defined]  # what it computes otherwise
    lines = [f"--- {name}\n", f"+++ {new_name}\n"]
    for group in matcher.get_grouped_opcodes(CONTEXT):
        lines += _hunk(group, old, new)
    return "".join(line if line.endswith("\n") else f"{line}{_NO_NEWLINE}" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines with their ends, split where the language splits them: at `\\n` alone."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _hunk(group: Sequence[Change], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    (_, a, _, b, _), (_, _, a_end, _, b_end) = group[0], group[-1]
    yield f"@@ -{_range(a, a_end)} +{_range(b, b_end)} @@\n"
    for kind, start, stop, new_start, new_stop in group:
        if kind == "equal":
            yield from (f" {line}" for line in old[start:stop])
        else:
            yield from (f"-{line}" for line in old[start:stop])
            yield from (f"+{line}" for line in new[new_start:new_stop])


def _range(start: int, stop: int) -> str:
    """Lines as a unified diff counts them: from 1, and an empty range from the line before it."""
    count = stop - start
    return str(start + 1) if count == 1 else f"{start + (count > 0)},{count}"


def _changes(blocks: Iterator[Block], old_end: int, new_end: int) -> list[Change]:
    changes: list[Change] = []
    a = b = 0
    for start, new_start, size in _joined([*blocks, (old_end, new_end, 0)]):
        if (a, b) != (start, new_start):
            changes.append(("replace", a, start, b, new_start))
        if size:
            changes.append(("equal", start, start + size, new_start, new_start + size))
        a, b = start + size, new_start + size
    return changes


def _joined(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, with those that touch made one."""
    joined: list[Block] = []
    for a, b, size in blocks:
        last = joined[-1] if joined else (-1, -1, 0)
        if size and (last[0] + last[2], last[1] + last[2]) == (a, b):
            joined[-1] = (last[0], last[1], last[2] + size)
        else:
            joined.append((a, b, size))
    return joined


def _equal_blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[Block]:
    a = b = compared = 0
    for start, new_start in [*_anchors(old, new), (len(old), len(new))]:
        while a < start and b < new_start and old[a] == new[b]:
            yield a, b, 1
            a, b = a + 1, b + 1
        pairs = (start - a) * (new_start - b)
        if compared + pairs <= MAX_COMPARED:
            compared += pairs
            matcher = SequenceMatcher(None, old[a:start], new[b:new_start])
            yield from ((a + i, b + j, size) for i, j, size in matcher.get_matching_blocks() if size)
        a, b = start, new_start


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest series of lines that occur once in both texts and keep their order."""
    counts, new_counts = Counter(old), Counter(new)
    places = {line: n for n, line in enumerate(new) if new_counts[line] == 1}
    pairs = [(n, places[line]) for n, line in enumerate(old) if counts[line] == 1 and line in places]
    ends: list[int] = []  # the smallest new place in which a series of each length ends
    at: list[int] = []  # the number of the pair there
    before: list[int] = []  # the pair before each pair in its series
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        at[length : length + 1] = [number]
    series: list[tuple[int, int]] = []
    number = at[-1] if at else -1
    while number >= 0:
        series.append(pairs[number])
        number = before[number]
    return series[::-1]
