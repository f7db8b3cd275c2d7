"""The contents of a box: its size, and its text and shapes as SVG, relative to its corner."""

from __future__ import annotations

from collections.abc import Iterator

from netruntime.draw.layout.geometry import HEADER, Size
from netruntime.draw.scene import SceneItem
from netruntime.draw.style import DETAIL, TITLE, shorten, text_width
from netruntime.draw.texts import xml_text
from netruntime.quantities import number_text

BOX, PILL, JOIN = 42.0, 28.0, 24.0
"""Heights."""
INSET = 12.0
MARK = 14.0
"""Room for the mark that shows whether a group is open."""
MAX_TEXT = 320.0
SIGNS = {"add": "M-5 0H5M0-5V5", "subtract": "M-5 0H5", "multiply": "M-4-4 4 4M4-4-4 4"}
DOWN, RIGHT = "M-4-2.5H4L0 3.5z", "M-2.5-4V4L3.5 0z"
LOOP = "M5 0A5 5 0 1 1 1.5-4.8M1.5-4.8-1.5-7M1.5-4.8-.8-2"


def measure(item: SceneItem) -> Size:
    """What an item needs as a plain or folded box, and for its header."""
    if item.kind == "join":
        return Size(JOIN, JOIN)
    if item.kind in ("input", "output"):
        return Size(_pill_width(item), PILL)
    width = max(_title_width(item), text_width(_details(item), DETAIL))
    marks = (MARK if item.children else 0.0) + (MARK + 4 if item.loop else 0.0)
    height = BOX if _details(item) else PILL
    header = 0.0
    if item.children:
        note = text_width(_weights(item), DETAIL)
        header = 2 * INSET + MARK + _title_width(item) + (MARK + 4 if item.loop else 0.0) + note + INSET
    return Size(width + 2 * INSET + marks, height, header)


def _badge(item: SceneItem) -> str:
    return f"×{item.copies}" if item.copies > 1 else ""


def _texts(item: SceneItem) -> tuple[str, str, str]:
    """The title line: the block or operator, the label, and the badge."""
    title = shorten(item.title or item.label, TITLE, MAX_TEXT)
    label = shorten(item.label, TITLE, MAX_TEXT) if item.title and item.label != item.title else ""
    return title, label, _badge(item)


def _title_width(item: SceneItem) -> float:
    title, label, badge = _texts(item)
    width = text_width(title, TITLE, bold=True)
    for part in (label, badge):
        width += text_width(f" {part}", TITLE, bold=part == badge) if part else 0.0
    return width


def _details(item: SceneItem) -> str:
    parts = [part for part in (item.shape, _weights(item)) if part]
    return shorten(" · ".join(parts), DETAIL, MAX_TEXT)


def _weights(item: SceneItem) -> str:
    if item.parameters:
        return f"{number_text(item.parameters, short=True)} params"
    return "shared" if item.is_shared else ""


def one_line(item: SceneItem) -> str:
    """The title, label and repetition of an item, for formats that lay out text themselves."""
    if item.kind == "join":
        return {"add": "+", "subtract": "−", "multiply": "×"}[item.title]
    title = item.label if item.kind in ("input", "output") else item.title
    parts = [title or item.label, item.label if item.label != title and title else "", _badge(item)]
    return " ".join(part for part in [*parts, "↻" if item.loop else ""] if part)


def two_lines(item: SceneItem) -> str:
    """`one_line`, and below it the shape of what comes out."""
    return f"{one_line(item)}\n{item.shape}" if item.shape and item.kind != "join" else one_line(item)


def _pill_width(item: SceneItem) -> float:
    name, shape = shorten(item.label, TITLE, MAX_TEXT), shorten(item.shape, DETAIL, MAX_TEXT)
    return text_width(name, TITLE, bold=True) + text_width(f" {shape}", DETAIL) + 2 * INSET + 6


def leaf_view(item: SceneItem, size: Size) -> Iterator[str]:
    """A box without children."""
    if item.kind == "join":
        radius = size.width / 2
        yield f'<circle class="join" cx="{radius:g}" cy="{radius:g}" r="{radius:g}"/>'
        yield f'<path class="sign" transform="translate({radius:g} {radius:g})" d="{SIGNS[item.title]}"/>'
    elif item.kind in ("input", "output"):
        yield f'<rect class="{item.category}" width="{size.width:.1f}" height="{PILL:g}" rx="{PILL / 2:g}"/>'
        name, shape = shorten(item.label, TITLE, MAX_TEXT), shorten(item.shape, DETAIL, MAX_TEXT)
        yield f'<text class="t m" x="{size.width / 2:.1f}" y="18.5">{xml_text(name)} '
        yield f'<tspan class="d" style="font-weight:400">{xml_text(shape)}</tspan></text>'
    else:
        yield f'<rect class="{item.category if item.category != "group" else "bar"}" '
        yield f'width="{size.width:.1f}" height="{size.height:g}" rx="7"/>'
        yield from _lines(item, size, 0.0)


def closed_view(item: SceneItem, size: Size) -> Iterator[str]:
    """A folded group."""
    yield f'<rect class="bar fold" width="{size.width:.1f}" height="{size.height:g}" rx="7"/>'
    yield f'<path class="mark" transform="translate(12 {size.height / 2:g})" d="{RIGHT}"/>'
    yield from _lines(item, size, MARK / 2)


def _lines(item: SceneItem, size: Size, shift: float) -> Iterator[str]:
    middle = size.width / 2 + shift - (9 if item.loop else 0)
    details = _details(item)
    yield f'<text class="t m" x="{middle:.1f}" y="{17.5 if details else 18.5}">{_title(item)}</text>'
    if details:
        yield f'<text class="d m" x="{middle:.1f}" y="33">{xml_text(details)}</text>'
    if item.loop:
        yield _loop(size.width - 15, size.height / 2)


def header_view(item: SceneItem, width: float) -> Iterator[str]:
    """The header of an open group; the note is at its right end."""
    yield f'<path class="mark" transform="translate(14 {HEADER / 2:g})" d="{DOWN}"/>'
    start = INSET + MARK
    yield f'<text class="t" x="{start:g}" y="17.5">{_title(item)}</text>'
    if item.loop:
        yield _loop(start + _title_width(item) + 12, HEADER / 2)
    if _weights(item):
        yield f'<text class="d end" x="{width - INSET:.1f}" y="17">{xml_text(_weights(item))}</text>'


def _loop(x: float, y: float) -> str:
    return f'<path class="sign" transform="translate({x:.1f} {y:.1f})" d="{LOOP}"/>'


def _title(item: SceneItem) -> str:
    title, label, badge = _texts(item)
    text = xml_text(title)
    text += f'<tspan class="l" dx="4">{xml_text(label)}</tspan>' if label else ""
    text += f'<tspan class="badge" dx="5">{xml_text(badge)}</tspan>' if badge else ""
    return text
