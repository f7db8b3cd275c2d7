"""Every error code is explained, and every explanation is of a code; the list in the documents agrees.

`NETDSL_UPDATE=1 pytest tests/dsl/test_explanations.py` writes `docs/errors.md` anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "dsl" / "netdsl" / "explanations.md").read_text()
SECTIONS = re.findall(r"^## (E\d{4}): (.+)\n((?:(?!## E).*\n?)*)", TEXT, re.MULTILINE)
FAMILIES = {
    "E01": "Text",
    "E02": "Names and statements",
    "E03": "Shapes and element types",
    "E04": "Arguments and values",
    "E05": "Weights sections",
    "E06": "Limits and imports",
    "E07": "Weights files",
    "E08": "Data and runs",
    "E09": "The command line and the machine",
    "E10": "Training",
    "E11": "Gradients and generation",
}


def codes_in_sources() -> set[str]:
    files = [path for folder in ("dsl", "runtime") for path in (ROOT / folder).rglob("*.py")]
    return {code for path in files for code in re.findall(r'"(E\d{4})"', path.read_text())}


def test_every_code_is_explained_and_the_reverse() -> None:
    explained = {code for code, _, _ in SECTIONS}
    raised = codes_in_sources()
    assert raised - explained == set(), "raised, and not explained"
    assert explained - raised == set(), "explained, and not raised"


def test_sections_are_in_order() -> None:
    codes = [code for code, _, _ in SECTIONS]
    assert codes == sorted(set(codes))


@pytest.mark.parametrize(("code", "title", "body"), SECTIONS, ids=[code for code, _, _ in SECTIONS])
def test_section(code: str, title: str, body: str) -> None:
    prose = body.strip().split("\n\n")[0]
    assert title[0].islower() or title[0] == "`" or title.startswith(("JSON", "E0")), title
    assert 40 < len(prose) < 700
    if code < "E0854":
        assert re.search(r"^Wrong.*:\n\n    \S", body, re.MULTILINE), "a wrong example"
        assert re.search(r"^Fixed.*:\n\n    \S", body, re.MULTILINE), "its fix"


def overview() -> str:
    """`docs/errors.md`: all codes with their titles."""
    lines = [
        "# Error codes",
        "",
        "Every error has a code; `netrun explain CODE` explains it, with an example and its fix.",
        "The same texts are in `dsl/netdsl/explanations.md`.",
    ]
    for family, what in FAMILIES.items():
        lines += ["", f"## {what}", ""]
        lines += [f"- `{code}`: {title}" for code, title, _ in SECTIONS if code.startswith(family)]
    return "\n".join(lines) + "\n"


def test_the_document_lists_them_all() -> None:
    path = ROOT / "docs" / "errors.md"
    if os.environ.get("NETDSL_UPDATE") == "1":
        path.write_text(overview())
    assert path.read_text() == overview()
