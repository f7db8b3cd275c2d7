"""Drawings as Mermaid flowcharts, with a subgraph for each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netdsl.graph import Graph
from netruntime.draw.boxes import one_line, two_lines
from netruntime.draw.building import build_scene
from netruntime.draw.scene import SceneItem
from netruntime.draw.svg import Direction

_SHAPES = {"input": ("([", "])"), "output": ("([", "])"), "join": ("((", "))")}


def draw_mermaid(graph: Graph, *, depth: int | None = None, direction: Direction = "down") -> str:
    """The graph as Mermaid text. Groups at level `depth` and deeper are one node each; all are subgraphs
    by default."""
    scene = build_scene(graph, depth)
    numbers = {item: number for number, item in enumerate(scene.root.walk())}
    lines = [f"flowchart {'TB' if direction == 'down' else 'LR'}"]
    lines += _body(scene.root, numbers, "  ")
    for edge in scene.edges:
        arrow = "-.->" if edge.back else "-->"
        lines.append(f"  n{numbers[edge.source]} {arrow} n{numbers[edge.target]}")
    return "\n".join([*lines, ""])


def _body(group: SceneItem, numbers: Mapping[SceneItem, int], indent: str) -> Iterator[str]:
    for item in group.children:
        number = numbers[item]
        if item.children:
            yield f"{indent}subgraph n{number}[{_quoted(one_line(item))}]"
            yield from _body(item, numbers, indent + "  ")
            yield f"{indent}end"
            continue
        start, end = _SHAPES.get(item.kind, ("[", "]"))
        yield f"{indent}n{number}{start}{_quoted(two_lines(item))}{end}"


def _quoted(text: str) -> str:
    """A Mermaid string: what could end it or be read as markup is written by its character number."""
    escaped = "".join(f"#{ord(c)};" if c in '"#<>&`\\' else c for c in text.replace("\r", ""))
    return f'"{escaped.replace(chr(10), "<br/>")}"'
