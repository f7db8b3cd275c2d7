"""Drawings as Mermaid flowcharts, with a subgraph for each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netdsl.graph import Graph
from netruntime.draw.boxes import one_line, text_lines
from netruntime.draw.building import build_scene
from netruntime.draw.scene import SceneItem, default_folds
from netruntime.draw.style import light_colours
from netruntime.draw.svg import Direction

_SHAPES = {"input": ("([", "])"), "output": ("([", "])"), "join": ("((", "))")}


def draw_mermaid(
    graphs: Graph | Sequence[Graph],
    *,
    depth: int | None = None,
    direction: Direction = "down",
    sizes: Mapping[str, int] | None = None,
) -> str:
    """The graph as Mermaid text. Groups at level `depth` and deeper are one node each; by default those that
    `draw_svg` closes. The other arguments are those of `draw_svg`."""
    scene = build_scene(graphs, sizes=sizes)
    scene = scene.folded(default_folds(scene, depth))
    numbers = {item: number for number, item in enumerate(scene.root.walk())}
    lines = [f"flowchart {'TB' if direction == 'down' else 'LR'}"]
    lines += _body(scene.root, numbers, "  ")
    for edge in scene.edges:
        arrow = "-.->" if edge.back else "-->"
        lines.append(f"  n{numbers[edge.source]} {arrow} n{numbers[edge.target]}")
    return "\n".join([*lines, *_classes(scene.root, numbers), ""])


def _classes(root: SceneItem, numbers: Mapping[SceneItem, int]) -> Iterator[str]:
    """The colours of the nodes, by category."""
    members: dict[str, list[str]] = {}
    for item in root.walk():
        if not item.children:
            category = "bar" if item.category == "group" else item.category.split()[0]
            members.setdefault(category, []).append(f"n{numbers[item]}")
    colours = light_colours()
    for category, nodes in members.items():
        edge = colours.get(f"{category}-e", colours["edge"])
        yield f"  classDef {category} fill:{colours[category]},stroke:{edge},color:{colours['ink']}"
        yield f"  class {','.join(nodes)} {category}"


def _body(group: SceneItem, numbers: Mapping[SceneItem, int], indent: str) -> Iterator[str]:
    for item in group.children:
        number = numbers[item]
        if item.children:
            yield f"{indent}subgraph n{number}[{_quoted(one_line(item))}]"
            yield from _body(item, numbers, indent + "  ")
            yield f"{indent}end"
            continue
        start, end = _SHAPES.get(item.kind, ("[", "]"))
        yield f"{indent}n{number}{start}{_quoted(text_lines(item))}{end}"


def _quoted(text: str) -> str:
    """A Mermaid string: what could end it or be read as markup is written by its character number."""
    escaped = "".join(f"#{ord(c)};" if c in '"#<>&`\\' else c for c in text.replace("\r", ""))
    return f'"{escaped.replace(chr(10), "<br/>")}"'
