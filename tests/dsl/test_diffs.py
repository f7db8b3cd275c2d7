"""Unified diffs: applied, they give the new text; and they take no longer for long texts."""

from __future__ import annotations

import time
from random import Random

import pytest

from netdsl.diffs import diff_of_texts


def applied(before: str, diff: str) -> str:
    """The text after a unified diff, whose context and counts are checked."""
    old, result, at = before.splitlines(keepends=True), list[str](), 0
    lines = diff.replace("\n\\ No newline at end of file\n", "\0").splitlines(keepends=True)
    lines = [part for line in lines for part in line.replace("\0", "\0\1").split("\1") if part]
    for line in lines[2:]:
        kind, text = line[0], line[1:].replace("\0", "")
        if kind == "@":
            first, _, count = line.split()[1][1:].partition(",")
            start = int(first) - (count != "0")
            result += old[at:start]
            at = start
        elif kind == "+":
            result.append(text)
        else:
            assert old[at] == text
            at += 1
            result += [text] if kind == " " else []
    return "".join([*result, *old[at:]])


@pytest.mark.parametrize("seed", range(200))
def test_a_diff_applied_gives_the_new_text(seed: int) -> None:
    random = Random(seed)
    words = [f"{n}\n" for n in range(random.choice([2, 6, 40]))]
    old = random.choices(words, k=random.randrange(30))
    new = [line for line in old if random.random() < 0.8]
    for _ in range(random.randrange(6)):
        new.insert(random.randint(0, len(new)), random.choice(words))
    before, after = "".join(old), "".join(new)
    if random.random() < 0.3:
        after = after.removesuffix("\n")
    diff = diff_of_texts(before, after, "a", "b")
    assert bool(diff) == (before != after)
    assert applied(before, diff) == after


def test_only_what_differs_is_shown() -> None:
    before = "".join(f"{n}\n" for n in range(20))
    diff = diff_of_texts(before, before.replace("10\n", "ten\n"), "a", "b")
    assert diff == "--- a\n+++ b\n@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"


@pytest.mark.parametrize("line", ["x = {n}\n", "x = 1\n", "x = {half}\n"])
def test_long_texts_are_compared_soon(line: str) -> None:
    """Comparing every line with every other takes minutes here."""
    before = "".join(line.format(n=n, half=n // 2) for n in range(40_000))
    after = "".join(f" {part}" if n % 2 else part for n, part in enumerate(before.splitlines(keepends=True)))
    start = time.process_time()
    assert applied(before, diff_of_texts(before, after, "a", "b")) == after
    assert time.process_time() - start < 10
