"""The `test` sections of all examples hold, at the sizes that their files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.diagnostics import render
from netruntime.engine.loading import load_checked
from netruntime.engine.testing import run_tests
from zoo.examples import EXAMPLES


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.net")), ids=lambda path: path.stem)
def test_sections_hold(path: Path) -> None:
    checked = load_checked(path)
    results = run_tests(checked)
    assert [render(found) for result in results for found in result.failures] == []


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("lstm", "the built-in cell is the same"),
        ("self_attention", "the built-in block is the same"),
        ("gpt2", "stepping agrees with the complete sequence"),
    ],
)
def test_sections_that_compare_values(name: str, test: str) -> None:
    """These have something to compare: a section without a `~` would hold without being run."""
    results = {result.name: result for result in run_tests(load_checked(EXAMPLES / f"{name}.net"))}
    assert results[test].passed
    assert results[test].largest_difference is not None
