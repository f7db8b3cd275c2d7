"""The compiled grammar that is stored with the package."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lark import Lark
from lark.parsers.lalr_analysis import Shift

from netgrammar import tables

GRAMMAR = Path(tables.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the grammar, from which `grammar()` reads."""
    for name in ("net.lark", "tokens.lark"):
        shutil.copy(GRAMMAR / name, tmp_path / name)
    monkeypatch.setattr(tables.resources, "files", lambda _: tmp_path)
    tables.grammar.cache_clear()
    yield tmp_path
    tables.grammar.cache_clear()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Lark]:
    """Collects each compilation of the grammar."""
    parsers: list[Lark] = []
    compile_once = tables.compiled

    def counted() -> Lark:
        parsers.append(compile_once())
        return parsers[-1]

    monkeypatch.setattr(tables, "compiled", counted)
    return parsers


def actions(parser: Lark) -> object:
    """By state and symbol, the next state or the rule; states are numbered by a walk from the first."""
    parse = parser.parse_interactive(start="item").parser_state.parse_conf
    order = {parse.start_state: 0}
    for state in order_of_arrival(order):
        for _, (action, argument) in sorted(parse.states[state].items()):
            if action is Shift:
                order.setdefault(argument, len(order))
    assert len(order) == len(parse.states)
    return order[parse.end_state], {
        order[state]: {s: order[to] if action is Shift else str(to) for s, (action, to) in entries.items()}
        for state, entries in parse.states.items()
    }


def order_of_arrival(states: dict[int, int]) -> Iterator[int]:
    """The states, those included that are added on the way."""
    for number in itertools.count():
        if number == len(states):
            return
        yield list(states)[number]


def test_stored_tables_are_the_compiled_ones(folder: Path) -> None:
    parser = tables.compiled()
    tables.store(folder)
    assert actions(tables.grammar()) == actions(parser)
    lexed, expected = (
        list(p.lex("model M(x: f32[B]) { return x -> relu }")) for p in (tables.grammar(), parser)
    )
    assert [(t.type, t.value, t.start_pos) for t in lexed] == [
        (t.type, t.value, t.start_pos) for t in expected
    ]


def test_stored_tables_are_read_instead_of_compiling(folder: Path, compilations: list[Lark]) -> None:
    tables.store(folder)
    compilations.clear()
    tables.grammar()
    assert not compilations


@pytest.mark.parametrize("stored", [None, "", "{", "[]", "older", "lark", "options"])
def test_other_tables_are_ignored(
    folder: Path, compilations: list[Lark], stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.store(folder)
    if stored is None:
        (folder / tables.STORED).unlink()
    elif stored == "older":
        with (folder / "tokens.lark").open("a") as file:
            file.write("// a new line\n")
    elif stored == "options":
        monkeypatch.setitem(tables._OPTIONS, "keep_all_tokens", True)
    elif stored == "lark":
        monkeypatch.setattr(tables.lark, "__version__", "0.0")
    else:
        (folder / tables.STORED).write_text(stored)
    compilations.clear()
    assert tables.grammar() is compilations[0]


def test_current_tables_are_not_written_again(folder: Path, compilations: list[Lark]) -> None:
    tables.store(folder)
    compilations.clear()
    assert json.loads(tables.store(folder).read_text())["digest"] == tables.digest(folder)
    assert not compilations
