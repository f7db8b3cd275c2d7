"""The compiled grammar that is stored with the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lark import Lark

from netgrammar import compiling, tables

GRAMMAR = Path(tables.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the grammar, from which `tables()` reads."""
    for name in tables._SOURCES:
        shutil.copy(GRAMMAR / name, tmp_path / name)
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    tables.tables.cache_clear()
    yield tmp_path
    tables.tables.cache_clear()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Lark]:
    """Collects each compilation of the grammar."""
    parsers: list[Lark] = []

    def counted() -> Lark:
        parsers.append(
            compiling.Lark.open_from_package("netgrammar", "net.lark", ("",), **compiling._OPTIONS)
        )
        return parsers[-1]

    monkeypatch.setattr(compiling, "compiled", counted)
    return parsers


def test_stored_tables_are_the_compiled_ones(folder: Path, compilations: list[Lark]) -> None:
    compiled = tables.tables()
    tables.store(folder)
    tables.tables.cache_clear()
    compilations.clear()
    stored = tables.tables()
    assert not compilations
    assert stored._replace(rules=[]) == compiled._replace(rules=[])
    assert [rule._replace(keep=[*map(tuple, rule.keep)]) for rule in stored.rules] == compiled.rules


@pytest.mark.parametrize("stored", [None, "", "{", "[]", "older", "otherwise"])
def test_other_tables_are_ignored(folder: Path, compilations: list[Lark], stored: str | None) -> None:
    tables.store(folder)
    if stored is None:
        (folder / tables.STORED).unlink()
    elif stored in ("older", "otherwise"):
        name = "tokens.lark" if stored == "older" else "compiling.py"
        with (folder / name).open("a") as file:
            file.write("\n")
    else:
        (folder / tables.STORED).write_text(stored)
    compilations.clear()
    tables.tables()
    assert len(compilations) == 1


def test_current_tables_are_not_written_again(folder: Path, compilations: list[Lark]) -> None:
    tables.store(folder)
    compilations.clear()
    assert json.loads(tables.store(folder).read_text())["digest"] == tables.digest(folder)
    assert not compilations


def test_reading_a_text_imports_no_lark(folder: Path) -> None:
    """With stored tables, that is."""
    tables.store(folder)
    code = "import sys; from netgrammar import tables; tables.FOLDER = tables.Path(sys.argv[1])"
    code += "; from netdsl.parsing.parser import parse; from netdsl.source import Source"
    code += "; parse(Source('m.net', 'net 1.0')); assert 'lark' not in sys.modules"
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=path)
