"""Drawings in the DOT language of Graphviz, with a cluster for each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netdsl.graph import Graph
from netruntime.draw.boxes import one_line, text_lines
from netruntime.draw.building import build_scene
from netruntime.draw.scene import SceneItem, default_folds
from netruntime.draw.style import light_colours
from netruntime.draw.svg import Direction


def draw_dot(
    graphs: Graph | Sequence[Graph],
    *,
    depth: int | None = None,
    direction: Direction = "down",
    docs: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> str:
    """The graph as DOT text. Groups at level `depth` and deeper are one node each; by default those that
    `draw_svg` closes. The other arguments are those of `draw_svg`."""
    scene = build_scene(graphs, docs, sizes)
    scene = scene.folded(default_folds(scene, depth))
    numbers = {item: number for number, item in enumerate(scene.root.walk())}
    lines = [f"digraph {_quoted(scene.root.title)} {{"]
    lines.append(f"  rankdir={'TB' if direction == 'down' else 'LR'}; compound=true;")
    lines += _defaults()
    lines += _body(scene.root, numbers, "  ")
    for edge in scene.edges:
        back = " [style=dashed, constraint=false]" if edge.back else ""
        lines.append(f"  n{numbers[edge.source]} -> n{numbers[edge.target]}{back};")
    return "\n".join([*lines, "}", ""])


def _defaults() -> Iterator[str]:
    colours = light_colours()
    yield '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=12, height=0.4];'
    yield (
        f'  graph [style="rounded", color="{colours["edge"]}", fontname="Helvetica-Bold", fontsize=12, '
        "labeljust=l, ranksep=0.35, nodesep=0.3];"
    )
    yield f'  edge [color="{colours["line"]}", arrowsize=0.7];'


def _body(group: SceneItem, numbers: Mapping[SceneItem, int], indent: str) -> Iterator[str]:
    for item in group.children:
        number = numbers[item]
        if item.children:
            yield f"{indent}subgraph cluster_{number} {{"
            yield f"{indent}  label={_quoted(one_line(item))}; tooltip={_quoted(item.tooltip)}; margin=14;"
            yield from _body(item, numbers, indent + "  ")
            yield f"{indent}}}"
            continue
        yield f"{indent}n{number} [{', '.join(_attributes(item))}];"


def _attributes(item: SceneItem) -> Iterator[str]:
    yield f"label={_quoted(text_lines(item))}"
    yield f"tooltip={_quoted(item.tooltip)}"
    colours = light_colours()
    category = "bar" if item.category == "group" else item.category.split()[0]
    yield f'fillcolor="{colours[category]}", color="{colours.get(f"{category}-e", colours["edge"])}"'
    if item.kind == "join":
        yield "shape=circle, width=0.3, margin=0"
    if item.kind in ("input", "output"):
        yield "shape=ellipse"


def _quoted(text: str) -> str:
    """A DOT string: backslashes and quotes escaped, line ends as `\\n`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n")
    return f'"{escaped}"'
