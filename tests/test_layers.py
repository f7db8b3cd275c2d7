"""The order of the rooms: what each layer may import, and that no folder depends on itself through another.

Every import counts: at the top of a module, inside a function, and for types alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp
import networkx as nx
import pytest

LANGUAGE = (
    {"checker", "formatter", "graph"},
    {"cells", "targets"},
    {"flatten"},
    {"model", "modules", "recipes"},
    {"parsing", "ops"},
    {"arrivals"},
    {"syntax", "types"},
    {"dims"},
    {"diagnostics"},
    {"edits", "diffs"},
    {"folders", "source", "synonyms", "work"},
    {"immutable"},
)
RUNTIME = (
    {"cli"},
    {"profiling"},
    {"train", "generation", "prediction"},
    {"data", "engine"},
    {"native"},
    {"charts"},
    {"draw"},
    {"readers", "weight_files"},
    {"files"},
    {"arguments", "memory"},
    {"errors", "quantities", "sizes"},
)
"""Each room is in one layer and imports only from layers further down, never its neighbours."""

Imports = Mapping[str, set[str]]
"""For each module, the modules that it imports."""


def imports_of(*packages: str) -> Imports:
    graph = grimp.build_graph(*packages, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


@pytest.fixture(scope="module")
def imports() -> Imports:
    return imports_of("netdsl", "netruntime", "netgrammar")


def rooms_below(package: str, imports: Imports) -> nx.DiGraph:
    """Which files and folders directly in a package import which, by name; `""` is above all packages."""
    prefix = f"{package}." if package else ""
    rooms = nx.DiGraph()
    for module, imported in imports.items():
        if not module.startswith(prefix):
            continue
        here = module.removeprefix(prefix).partition(".")[0]
        for other in imported:
            there = other.removeprefix(prefix).partition(".")[0]
            if other.startswith(prefix) and here != there:
                rooms.add_edge(here, there)
    return rooms


def circles(imports: Imports) -> dict[str, list[list[str]]]:
    """The groups of neighbours that depend on one another, for each package that has such."""
    packages = {"", *(module.rpartition(".")[0] for module in imports)}
    found = defaultdict(list)
    for package in sorted(packages):
        for group in nx.strongly_connected_components(rooms_below(package, imports)):
            if len(group) > 1:
                found[package].append(sorted(group))
    return dict(found)


def climbs(package: str, layers: Iterable[set[str]], imports: Imports) -> list[str]:
    """The imports from a layer to itself or to one above, and the rooms that are in no layer."""
    level = {room: n for n, layer in enumerate(layers) for room in layer}
    rooms = rooms_below(package, imports)
    homeless = [f"{room} is in no layer" for room in sorted(rooms) if room not in level]
    edges = [(a, b) for a, b in sorted(rooms.edges) if a in level and b in level]
    return homeless + [f"{a} imports {b}" for a, b in edges if level[a] >= level[b]]


def test_no_circles(imports: Imports) -> None:
    assert circles(imports) == {}


def test_the_language_does_not_know_its_runtime(imports: Imports) -> None:
    assert set(rooms_below("", imports).edges) <= {("netruntime", "netdsl"), ("netdsl", "netgrammar")}


@pytest.mark.parametrize(("package", "layers"), [("netdsl", LANGUAGE), ("netruntime", RUNTIME)])
def test_layers(package: str, layers: tuple[set[str], ...], imports: Imports) -> None:
    inside = {module: others for module, others in imports.items() if module != package}
    assert climbs(package, layers, inside) == []


@pytest.mark.parametrize(
    "line",
    [
        "from {name}.upper.b import x",
        "def f():\n    from {name}.upper.b import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {name}.upper.b import x",
    ],
    ids=["at the top", "in a function", "for types alone"],
)
def test_a_planted_circle_is_noticed(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name = f"planted_{request.node.callspec.indices['line']}"
    for room in ("lower", "upper"):
        (tmp_path / name / room).mkdir(parents=True)
        (tmp_path / name / room / "__init__.py").touch()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "lower" / "a.py").write_text(line.format(name=name))
    (tmp_path / name / "upper" / "b.py").write_text(f"from {name}.lower import a")
    monkeypatch.syspath_prepend(tmp_path)
    planted = imports_of(name)
    sys.modules.pop(name, None)
    assert circles(planted) == {name: [["lower", "upper"]]}
    assert climbs(name, [{"upper"}, {"lower"}], planted) == ["lower imports upper"]
