"""What the documents show works: `net` blocks check, and the guide's `python` blocks run in order."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.modules import load_module
from netdsl.ops import REGISTRY
from netdsl.recipes import RECIPES
from netdsl.recipes.optimizers import OPTIMIZERS
from netdsl.recipes.schedules import SCHEDULES
from netdsl.source import Source

ROOT = Path(__file__).parent.parent
SOURCES = ("dsl", "runtime", "grammars", "tests", "docs")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


NETS = [
    pytest.param(text, id=f"{page.stem}-{n}") for page in PAGES for n, text in enumerate(blocks(page, "net"))
]


@pytest.mark.parametrize("text", NETS)
def test_net_blocks_check(text: str) -> None:
    whole = text if text.startswith("net 1.0") else f"net 1.0\n\n{text}"
    check(load_module(Source("<docs>", whole)))


def test_the_language_reference_has_examples() -> None:
    assert len(blocks(ROOT / "docs" / "language.md", "net")) >= 14


def test_the_page_of_operators_is_what_their_docstrings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    make_operators = import_module("make_operators")
    page = (ROOT / "docs" / "operators.md").read_text("utf-8")
    assert page == make_operators.page(), "stale: run `python docs/make_operators.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_count_what_there_is(page: Path) -> None:
    assert wrong_counts(page.read_text("utf-8")) == []


def test_a_stale_count_is_noticed() -> None:
    assert wrong_counts("It has 125 operators.") == [f"125 operators, but there are {len(REGISTRY)}"]


def wrong_counts(text: str) -> list[str]:
    """The counts of operators, optimizers and schedules that are not true, except those of one network."""
    counts = {"operators": len(REGISTRY), "optimizers": len(OPTIMIZERS), "schedules": len(SCHEDULES)}
    prose = "\n".join(line for line in text.splitlines() if "parameters, " not in line)
    return [
        f"{number} {what}, but there are {counts[what]}"
        for number, what in re.findall(rf"(?<![\d,])(\d+) ({'|'.join(counts)})\b", prose)
        if int(number) != counts[what]
    ]


def test_the_tables_of_recipes_are_those_that_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    assert text == import_module("make_recipes").page(text), "stale: run `python docs/make_recipes.py`"
    language = (ROOT / "docs" / "language.md").read_text("utf-8")
    names = [name for recipes in RECIPES.values() for name in recipes]
    missing = [name for name in names if not re.search(rf"\b{name}\b", language)]
    assert not missing, f"docs/language.md lacks {missing}"


def test_the_embedding_guide_runs() -> None:
    page = ROOT / "docs" / "embedding.md"
    code = "\n".join(blocks(page, "python"))
    assert "nr.load" in code
    exec(compile(code, str(page), "exec"), {"__name__": "guide"})


def test_the_files_that_the_design_page_names_exist() -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    names = set(re.findall(r"`([\w./]+(?:/|\.(?:py|c|h|md|lark|js|txt)))`", text))
    known = [path.relative_to(ROOT).as_posix() for top in SOURCES for path in (ROOT / top).rglob("*")]
    assert len(names) > 40
    assert [n for n in sorted(names) if not any(f"/{k}".endswith(f"/{n.rstrip('/')}") for k in known)] == []
