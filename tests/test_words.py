"""The words that people read: phrases that a native engineer would stop at do not come back.

Quotations of other texts (`examples/data/*.txt`) are not scanned.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BANNED = {
    r"mend(s|ed|ing)?": "fix",
    r"told|tells": "reported, says, shows, states",
    r"worth": "value, or: has the value",
    r"in words": "as text, spelled out",
    r"(goes|went) astray": "diverges",
    r"not to be had": "unavailable",
    r"of no account": "is ignored",
    r"seen to (learn|work)": "say what was measured",
    r"(?<!there )is no (axis|block|class|error|escape|label|metric|model|name|number)": "is not a",
    r"(?<!there )is no (setting|sign|size|text|weight|word)": "is not a",
    r"whole or not at all": "atomically",
    r"taken for (a|an|another|\d)": "mistaken for",
    r"in a circle": "circular",
    r"last but one": "second-last",
    r"matches holds": "matches applies",
    r"logarithms? of the chances?": "log-probability, negative log-likelihood",
    r"chances of": "probabilities of",
    r"minds it": "uses it",
    r"found by itself": "found automatically",
    r"cannot part|parted by": "divide, separate",
    r"looks ahead": "is not causal",
    r"one whole length": "integers of shape [B]",
    r"who is told": "observers",
    r"another number of": "a different number of",
    r"whole numbers?": "integer",
    r"anew": "again, new",
}
"""Phrases, as patterns of words, and what to write instead."""
PATTERNS = {re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE): advice for phrase, advice in BANNED.items()}
PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "dsl/**/*.md", "examples/**/*.md", "benchmarks/**/*.md")
NETWORKS = ("dsl/**/*.net", "runtime/**/*.net", "examples/*.net")
SCRIPTS = ("examples/**/*.py", "benchmarks/*.py", "docs/*.py", "dsl/**/*.py", "runtime/**/*.py")


def tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--", *(f":(glob){pattern}" for pattern in patterns)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def findings(prose: str) -> list[str]:
    """The banned phrases in a text, each with what to write instead."""
    joined = " ".join(prose.split())
    return [
        f"`{match[0]}`: write {advice}"
        for pattern, advice in PATTERNS.items()
        for match in pattern.finditer(joined)
    ]


def prose_of(name: str) -> str:
    """What people read in a file: a page in full, and the comments and strings of a network or a module."""
    text = (ROOT / name).read_text("utf-8")
    if name.endswith(".net"):
        return " . ".join(re.findall(r"#+ .*|\"[^\"\n]*\"", text))
    if name.endswith(".py"):
        constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        return " . ".join([*(c for c in constants if isinstance(c, str)), *re.findall(r"# .*", text)])
    return text


@pytest.mark.parametrize("name", tracked(*PAGES, *NETWORKS, *SCRIPTS))
def test_texts_use_plain_words(name: str) -> None:
    assert findings(prose_of(name)) == []


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("Mended:\n\n    x", 1),
        ("a size that is\nno number", 1),
        ("training went astray, and the message tells where", 2),
        ("the minus logarithm of the chance of each label", 1),
        ("amended, trustworthy words in data; there is no size", 0),
    ],
)
def test_a_planted_phrase_is_found(prose: str, found: int) -> None:
    assert len(findings(prose)) == found
