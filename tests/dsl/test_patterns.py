"""Patterns over label paths: what they match, and that the work grows with the length only."""

from __future__ import annotations

import re
from random import Random

import pytest

from netdsl.checker.sections.patterns import matches


def by_regex(pattern: str, label: str) -> bool:
    parts = re.split(r"(\*|\{[^{}]*\})", pattern)
    form = "".join(".*" if p == "*" else r"\d+" if p[:1] == "{" else re.escape(p) for p in parts)
    return re.fullmatch(form, label, re.S) is not None


@pytest.mark.parametrize("seed", range(5))
def test_matches_as_a_regular_expression(seed: int) -> None:
    random = Random(seed)
    for _ in range(2_000):
        pattern = "".join(random.choices(["a", "b", ".", "1", "*", "*", "{i}"], k=random.randint(0, 6)))
        label = "".join(random.choices("ab.12", k=random.randint(0, 8)))
        assert matches(pattern, label) == by_regex(pattern, label), (pattern, label)


@pytest.mark.parametrize("pattern", ["*" * 200_000 + "x", "*e" * 100_000 + "x", "*{i}" * 60 + "x"])
def test_many_stars(pattern: str) -> None:
    assert not matches(pattern, "hidden_layer_of_the_network.1111.weight" * 20)
