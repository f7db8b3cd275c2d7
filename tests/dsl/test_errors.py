"""Every mistake in `tests/cases/invalid` and the whole text of what is said about it.

`NETDSL_UPDATE=1 pytest tests/dsl/test_errors.py` writes the expectations anew; read them before you
commit them.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.diagnostics import Diagnostic, NetError
from netdsl.edits import Edit, apply_edits
from netdsl.modules import load_module, read_source
from netdsl.source import Source

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "invalid").glob("*.net"))
UPDATE = os.environ.get("NETDSL_UPDATE") == "1"

COVERED_ELSEWHERE = {
    "E0227": "test_overrides.py: a setting from outside",
    "E0228": "test_shared_names.py: two sections",
    "E0250": "test_hints.py: a hint is no error",
    "E0251": "test_hints.py: a hint is no error",
    "E0252": "test_hints.py: a hint is not an error",
    **dict.fromkeys(
        ("E0254", "E0255", "E0256", "E0257", "E0258"), "test_silent_slips.py: a hint is no error"
    ),
    "E0259": "../runtime/cli/test_cli_check.py: it depends on the machine",
    "E0253": "test_assumptions.py: a condition that --strict reports",
    "E0414": "test_config_errors.py: a value from outside",
    "E0601": "test_limits.py: a source over 1 MB",
    "E0604": "test_limits.py: an item of over 100,000 tokens",
    "E0608": "test_limits.py: more than 50 errors",
    "E0612": "test_imports.py: files that import each other",
    "E0613": "test_imports.py: files that are not text",
}
"""Codes that no single file can raise, and what covers them."""


def findings(text: str, path: Path) -> tuple[Diagnostic, ...]:
    """The errors in a text as that of a file."""
    try:
        check(load_module(Source(path.name, text), path.parent))
    except NetError as wrong:
        return wrong.diagnostics
    return ()


def certain_edits(path: Path) -> list[tuple[Diagnostic, list[Edit]]]:
    """The errors of a file that have certain edits."""
    pairs = [(d, [e for e in d.fixes if e.is_certain]) for d in findings(path.read_text("utf-8-sig"), path)]
    return [(one, edits) for one, edits in pairs if edits]


def complaint(path: Path) -> str | None:
    """Everything that is said about a file, or None where nothing is."""
    try:
        check(load_module(read_source(path, path.name), path.parent))
    except NetError as wrong:
        return str(wrong) + "\n"
    return None


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_mistake(path: Path) -> None:
    found = complaint(path)
    assert found is not None, "this file has no mistake"
    expected = path.with_suffix(".txt")
    if UPDATE:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_certain_edit_removes_its_error(path: Path) -> None:
    for wrong, edits in certain_edits(path):
        assert wrong.span is not None
        text = apply_edits(wrong.span.source, edits)
        keys = Counter((d.code, d.message) for d in findings(path.read_text("utf-8-sig"), path))
        left = Counter((d.code, d.message) for d in findings(text, path))
        assert left[wrong.code, wrong.message] < keys[wrong.code, wrong.message], text


def test_many_messages_have_certain_edits() -> None:
    assert sum(bool(certain_edits(path)) for path in CASES) >= 15


def test_there_are_many_distinct_mistakes() -> None:
    texts = [path.with_suffix(".txt").read_text() for path in CASES]
    assert len(texts) >= 90
    bare = [re.sub(r"--> \S+", "", text) for text in texts]
    assert len(set(bare)) == len(bare)


def test_every_expectation_has_its_file() -> None:
    names = {path.stem for path in CASES}
    assert {path.stem for path in CASES[0].parent.glob("*.txt")} == names


def test_several_mistakes_are_told_together() -> None:
    counts = [path.with_suffix(".txt").read_text().count("error[E") for path in CASES]
    assert sum(count >= 3 for count in counts) >= 5


def codes_in(*folders: str) -> set[str]:
    """Every code in a string literal of the sources."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {code for path in files for code in re.findall(r'"(E\d{4})"', path.read_text())}


def test_every_code_is_exercised() -> None:
    shown = {
        code for path in CASES for code in re.findall(r"\[(E\d{4})\]", path.with_suffix(".txt").read_text())
    }
    missing = codes_in("dsl") - shown - set(COVERED_ELSEWHERE)
    assert not missing, f"no case raises {sorted(missing)}"


def test_the_list_of_other_tests_is_true() -> None:
    for code, where in COVERED_ELSEWHERE.items():
        file = Path(__file__).parent / where.partition(":")[0]
        assert code in file.read_text(), f"{file.name} does not look at {code}"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_can_be_copied_and_pickled(copied: Callable[[NetError], NetError]) -> None:
    with pytest.raises(NetError) as raised:
        check(load_module(read_source(CASES[0])))
    again = copied(raised.value)
    assert type(again) is type(raised.value)
    assert again.code == raised.value.code
    assert str(again) == str(raised.value)
