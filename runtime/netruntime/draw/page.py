"""A drawing as an HTML page: buttons, search, details, a legend, and export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from netdsl.graph import Graph
from netruntime.draw.building import build_scene
from netruntime.draw.heat import STEPS, fill_of
from netruntime.draw.scene import Scene, SceneItem
from netruntime.draw.svg import Direction, drawn
from netruntime.draw.texts import xml_text
from netruntime.quantities import number_text

LEGEND = {
    "product": "products: Linear, Conv",
    "activation": "activation",
    "norm": "normalisation",
    "pool": "pooling",
    "attention": "attention, softmax",
    "plain": "other operators",
    "pill": "input or output",
    "group": "block, opened by a click",
}
"""What the colours mean, by the category of a box."""


def draw_html(
    graphs: Graph | Sequence[Graph],
    *,
    title: str | None = None,
    depth: int | None = None,
    direction: Direction = "down",
    docs: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    times: Mapping[str, float] | None = None,
) -> str:
    """The drawing of `draw_svg` in an HTML page with buttons, search, details on click, and a legend.

    The page needs nothing from outside. The arguments are those of `draw_svg`.
    """
    scene = build_scene(graphs, docs, sizes, times)
    name = scene.root.title if title is None else title
    svg = drawn(scene, depth, direction).text("")
    # HTML has no CDATA within <script>; the marks would be read as JavaScript.
    svg = svg.replace("<script><![CDATA[", "<script>").replace("]]></script>", "</script>")
    parts = {
        "TITLE": xml_text(name or "netdsl"),
        "TOTALS": xml_text(_totals(scene.root)),
        "LEGEND": "".join(_legend(scene)),
        "DRAWING": svg,
    }
    page = (files("netruntime.draw") / "page.html").read_text("utf-8")
    return "".join(parts.get(part, part) for part in page.split("@@"))


def _totals(root: SceneItem) -> str:
    totals = f"{number_text(root.parameters)} parameters"
    return f"{totals}, {number_text(root.buffers)} numbers in buffers" if root.buffers else totals


def _legend(scene: Scene) -> Iterator[str]:
    """The colours that a drawing uses, and what its signs mean."""
    items = list(scene.root.walk())[1:]
    if scene.root.share is not None:
        for share in STEPS:
            yield f'<li><i class="nd" style="background:{fill_of(share)}"></i>{share:.0%} of the time</li>'
    categories = {item.category.split()[0] for item in items} if scene.root.share is None else set()
    for category, meaning in LEGEND.items():
        if category in categories:
            fill, edge = ("bar", "edge") if category == "group" else (category, f"{category}-e")
            colours = f"background:var(--{fill});border-color:var(--{edge})"
            yield f'<li><i class="nd" style="{colours}"></i>{xml_text(meaning)}</li>'
    signs = {
        "circles + − ×: two values are joined": any(item.kind == "join" for item in items),
        "×6 on stacked boxes: equal layers, drawn once": any(item.copies > 1 for item in items),
        "↻ a scan: its cell runs at every step": any(item.loop for item in items),
        "- - a state that the next step reads": any(edge.back for edge in scene.edges),
    }
    yield from (f"<li>{sign}</li>" for sign, is_used in signs.items() if is_used)
