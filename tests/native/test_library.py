"""Loading the C library."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from native.running import library
from netruntime.native import library as loading
from netruntime.native.build import SOURCES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing is loaded before the test, nor stays loaded after it."""
    loading._loaded.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    loading._loaded.cache_clear()


def test_a_library_built_from_other_sources_is_not_used(fresh: pytest.MonkeyPatch) -> None:
    library()
    loading._loaded.cache_clear()
    fresh.setattr(loading, "INTERFACE", loading.INTERFACE - 1)
    assert "other sources" in str(loading.missing_reason())


def test_the_version_is_the_one_of_the_sources() -> None:
    header = (SOURCES / "native.h").read_text()
    assert re.findall(r"#define INTERFACE (\d+)", header) == [str(loading.INTERFACE)]


@pytest.mark.parametrize("code", ["import build", "import netgrammar.tables"])
def test_what_a_package_build_runs_imports_nothing_of_the_package(code: str) -> None:
    paths = [str(ROOT / "runtime/netruntime/native"), str(ROOT / "grammars")]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {paths}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
