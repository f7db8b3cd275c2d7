"""A drawing as an HTML page with panning and zooming."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from netdsl.graph import Graph
from netruntime.draw.svg import Direction, draw_svg
from netruntime.draw.texts import xml_text


def draw_html(
    graph: Graph,
    *,
    title: str | None = None,
    depth: int | None = None,
    direction: Direction = "down",
    docs: Mapping[str, str] | None = None,
) -> str:
    """The drawing of `draw_svg` in an HTML page: drag to move, wheel to zoom, `0` to fit it again.

    The page needs nothing from outside. The arguments are those of `draw_svg`.
    """
    name = graph.name if title is None else title
    svg = draw_svg(graph, title=title, depth=depth, direction=direction, docs=docs)
    # HTML has no CDATA within <script>; the marks would be read as JavaScript.
    svg = svg.replace("<script><![CDATA[", "<script>").replace("]]></script>", "</script>")
    page = (files("netruntime.draw") / "page.html").read_text("utf-8")
    before, within = page.split("TITLE")
    head, behind = within.split("DRAWING")
    return "".join([before, xml_text(name or "netdsl"), head, svg, behind])
