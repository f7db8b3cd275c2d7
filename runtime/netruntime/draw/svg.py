"""Drawings as one self-contained SVG file, with groups that fold when their header is clicked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import zip_longest
from typing import Literal

from netdsl.graph import Graph
from netruntime.draw.boxes import button, closed_view, header_view, leaf_view, measure
from netruntime.draw.building import build_scene
from netruntime.draw.layout.foldable import model_text
from netruntime.draw.layout.geometry import HEADER, STACK, Box, Measures, Placed, WirePath
from netruntime.draw.layout.layers import build_levels
from netruntime.draw.layout.placing import place
from netruntime.draw.scene import Scene, SceneItem, default_folds
from netruntime.draw.style import css, text_width
from netruntime.draw.texts import xml_text

Direction = Literal["down", "right"]
"""Which way values flow."""
MARGIN = 10.0
CAPTION, CAPTION_SIZE = 34.0, 16.0
RADIUS = 7.0
ARROW = (
    '<defs><marker id="nd-tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 .8 8 4 0 7.2z"/></marker></defs>'
)


def draw_svg(
    graphs: Graph | Sequence[Graph],
    *,
    title: str | None = None,
    depth: int | None = None,
    direction: Direction = "down",
    docs: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    times: Mapping[str, float] | None = None,
) -> str:
    """A drawing of a model's graph, or of several, as the text of an SVG file.

    Args:
        title: Shown above; the name of the model by default, nothing where empty.
        depth: How many levels of groups are open at first; 1 shows the model's own stages. By default as
            many as stay readable. A reader opens and closes groups by their headers.
        direction: Which way values flow.
        docs: Comments of blocks for the tooltips, by block name, as `block_docs` collects them.
        sizes: Values of free sizes, shown in place of their names.
        times: Of one graph, the seconds of its operators by label: the redder a box, the more it takes.
    """
    scene = build_scene(graphs, docs, sizes, times)
    return drawn(scene, depth, direction).text(scene.root.title if title is None else title)


def drawn(scene: Scene, depth: int | None, direction: Direction) -> Drawing:
    """The drawing of a scene, laid out."""
    return Drawing(scene, depth, direction == "down")


@dataclass
class Drawing:
    """A scene laid out, with groups folded to a depth."""

    scene: Scene
    depth: int | None
    down: bool
    numbers: dict[SceneItem, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.scene.root
        self.levels = build_levels(self.scene)
        self.numbers = {item: number for number, item in enumerate(self.root.walk())}
        self.folded = default_folds(self.scene, self.depth)
        sizes = {item: measure(item) for item in self.numbers}
        self.measures = Measures(self.levels, sizes, self.down)
        self.placed = place(self.measures, self.root, self.folded)

    def text(self, title: str) -> str:
        """The drawing as the text of an SVG file."""
        frame = self.placed[self.root]
        width, height = self._turned(frame.width, frame.height)
        top = CAPTION if title else 0.0
        least = text_width(title, CAPTION_SIZE, bold=True) + 4 * MARGIN
        size = (max(width + 2 * MARGIN, least), height + 2 * MARGIN + top)
        return "".join(self._document(title, size, top, least))

    def _document(self, title: str, size: tuple[float, float], top: float, least: float) -> Iterator[str]:
        width, height = map(_n, size)
        yield f'<svg xmlns="http://www.w3.org/2000/svg" class="nd" viewBox="0 0 {width} {height}" '
        yield f'width="{width}" height="{height}" role="{"group" if len(self.levels) > 1 else "img"}">'
        if title:
            yield f"<title>{xml_text(title)}</title>"
        if self.root.tooltip:
            yield f"<desc>{xml_text(self.root.tooltip)}</desc>"
        yield f"<style>{xml_text(css())}</style>"
        yield ARROW
        yield '<rect class="page" width="100%" height="100%"/>'
        if title:
            yield f'<text x="{MARGIN + 4}" y="26" class="caption">{xml_text(title)}</text>'
        yield f'<g class="open" data-i="0" transform="translate({_n(MARGIN)} {_n(MARGIN + top)})">'
        yield from self._body(self.root)
        yield "</g>"
        if len(self.levels) > 1:
            model = model_text(self.measures, self.root, self.folded, self.numbers, least)
            script = (files("netruntime.draw.layout") / "fold.js").read_text("utf-8").replace("MODEL", model)
            yield f"<script><![CDATA[\n{script}]]></script>"
        yield "</svg>\n"

    # -- items ----------------------------------------------------------------------------------

    def _body(self, group: SceneItem) -> Iterator[str]:
        placed = self.placed.get(group)
        yield '<g class="opened">'
        level = self.levels[group]
        paths = (*placed.paths, *placed.backs) if placed is not None else ()
        kinds = ["wire"] * len(level.routes) + ["wire back"] * len(level.backs)
        ends = [route[-1].lower.item for route in level.routes] + [lower.item for _, lower in level.backs]
        for kind, end, path in zip_longest(kinds, ends, paths):
            yield self._wire(kind, end, path)
        for child in group.children:
            yield from self._item(child, placed)
        yield "</g>"

    def _wire(self, kind: str, end: SceneItem | None, path: WirePath | None) -> str:
        tip = ' marker-end="url(#nd-tip)"' if end is not None else ""
        line = f' d="{self.path(path)}"' if path is not None else ""
        return f'<path class="{kind}"{tip}{line}/>'

    def path(self, line: WirePath) -> str:
        return rounded([self._turned(*point) for point in line.points])

    def _item(self, item: SceneItem, placed: Placed | None) -> Iterator[str]:
        box = placed.boxes[item] if placed is not None else Box(0, 0, 0, 0)
        x, y = self._turned(box.x, box.y)
        state = ""
        if item.children:
            state = ' class="shut"' if item in self.folded else ' class="open"'
        yield f'<g data-i="{self.numbers[item]}"{state} transform="translate({_n(x)} {_n(y)})">'
        yield f"<title>{xml_text(item.tooltip)}</title>"
        if item.children:
            yield from self._group(item)
        else:
            size = self.measures.sizes[item]
            yield from self._stack(item, size.width, size.height)
            yield from leaf_view(item, size)
        yield "</g>"

    def _group(self, item: SceneItem) -> Iterator[str]:
        size = self.measures.sizes[item]
        inner = self.placed.get(item)
        width, height = self._turned(inner.width, inner.height) if inner is not None else (size.width, 60.0)
        yield '<g class="opened">'
        yield from self._stack(item, width, height)
        yield f'<rect class="card" width="{_n(width)}" height="{_n(height)}" rx="9"/>'
        yield f'<rect class="bar fold" width="{_n(width)}" height="{_n(HEADER)}" rx="9" '
        yield f"{button(item, True)}/>"
        yield from header_view(item, width)
        yield "</g>"
        yield from self._body(item)
        yield '<g class="closed">'
        yield from self._stack(item, size.width, size.height)
        yield from closed_view(item, size)
        yield "</g>"

    def _stack(self, item: SceneItem, width: float, height: float) -> Iterator[str]:
        """The cards that stick out behind a repeated item."""
        if item.copies > 1:
            for shift in (STACK, STACK / 2):
                yield f'<rect class="under" x="{_n(shift)}" y="{_n(shift)}" width="{_n(width)}" '
                yield f'height="{_n(height)}" rx="9"/>'

    def _turned(self, across: float, along: float) -> tuple[float, float]:
        return (across, along) if self.down else (along, across)


def rounded(points: list[tuple[float, float]]) -> str:
    """The path of a line with round corners."""
    points = [p for n, p in enumerate(points) if n == 0 or p != points[n - 1]]
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        a, b = _towards(corner, before), _towards(corner, after)
        parts.append(f"L{_n(a[0])} {_n(a[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(b[0])} {_n(b[1])}")
    parts.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return "".join(parts)


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The point where the rounding of a corner begins, on the way to `other`."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    reach = min(RADIUS, length / 2) / length
    return corner[0] + dx * reach, corner[1] + dy * reach


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
