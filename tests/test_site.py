"""The documentation site, the workflows and the quick selection: they parse, and what they name exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import netruntime

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install pyyaml")

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SETTINGS = [ROOT / ".pre-commit-config.yaml", *sorted((ROOT / ".github").rglob("*.yml"))]


def site_hooks() -> Any:
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = site_hooks()


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def pages_of(nav: Any) -> list[str]:
    """The pages of a `nav` entry, sections included."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def test_the_nav_lists_every_page_once() -> None:
    written = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(pages_of(read(ROOT / "mkdocs.yml")["nav"])) == sorted([*written, *HOOKS.PAGES])


def test_the_reference_has_every_public_name_once() -> None:
    shown = re.findall(r"^::: netruntime\.(\w+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(netruntime.__all__)


@pytest.mark.parametrize("source", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_top_pages_lead_to_files(source: str) -> None:
    text = (ROOT / source).read_text("utf-8")
    links = re.findall(r"\]\((?!\w+:|#)([^)#]+)", text) + re.findall(r'src="([^":]+)"', text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("folder", "written", "expected"),
    [
        ("", "[a](docs/tutorial.md#install)", "[a](tutorial.md#install)"),
        ("", '<img src="docs/images/x.svg">', '<img src="images/x.svg">'),
        ("", "[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("", "[a](examples/runs)", "[a](R/tree/main/examples/runs)"),
        ("docs", "[a](cli.md)", "[a](cli.md)"),
        ("docs", "[a](../README.md)", "[a](index.md)"),
        ("docs", "[a](../examples/data/README.md)", "[a](R/blob/main/examples/data/README.md)"),
        ("docs", "[a](../missing.md) [b](#here) [c](https://example.org)", None),
        ("docs", "`[a](../README.md)`", None),
    ],
)
def test_links_are_made_valid_on_the_site(folder: str, written: str, expected: str | None) -> None:
    assert HOOKS.relinked(written, folder, "R") == (written if expected is None else expected)


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_settings_parse(path: Path) -> None:
    assert read(path)


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.name)
def test_workflows_have_jobs_with_actions_pinned_by_major_version(path: Path) -> None:
    workflow = read(path)
    assert True in workflow, "`on:`, which YAML 1.1 reads as true"
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert job["runs-on"] and job["timeout-minutes"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_the_workflow_runs_every_version_that_the_classifiers_name() -> None:
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert read(ROOT / ".github/workflows/ci.yml")["jobs"]["quick"]["strategy"]["matrix"]["python"] == named


def test_the_quick_selection_names_files_and_tests_that_exist() -> None:
    for line in (ROOT / "tests" / "quick.txt").read_text("utf-8").splitlines():
        path, _, test = re.sub(r"^--(ignore|deselect)=", "", line).partition("::")
        assert (ROOT / path).exists(), line
        assert not test or f"def {test}(" in (ROOT / path).read_text("utf-8"), line
