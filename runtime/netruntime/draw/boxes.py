"""The contents of a box: its size, and its text and shapes as SVG, relative to its corner."""

from __future__ import annotations

from collections.abc import Iterator

from netruntime.draw.heat import heat_style
from netruntime.draw.layout.geometry import HEADER, Size
from netruntime.draw.scene import SceneItem
from netruntime.draw.style import DETAIL, TITLE, text_width
from netruntime.draw.texts import attribute_text, xml_text
from netruntime.quantities import number_text

BOX, PILL, JOIN = 42.0, 28.0, 24.0
"""Heights."""
INSET = 12.0
MARK = 14.0
"""Room for the mark that shows whether a group is open."""
MAX_TEXT = 320.0
"""Where details are wider, they take several lines."""
LINE = 14.0
"""The height of each further line of details."""
SIGNS = {"add": "M-5 0H5M0-5V5", "subtract": "M-5 0H5", "multiply": "M-4-4 4 4M4-4-4 4"}
DOWN, RIGHT = "M-4-2.5H4L0 3.5z", "M-2.5-4V4L3.5 0z"
CLOCKWISE = "M5 0A5 5 0 1 1 1.5-4.8M1.5-4.8-1.5-7M1.5-4.8-.8-2"


def measure(item: SceneItem) -> Size:
    """What an item needs as a plain or folded box, and for its header."""
    if item.kind == "join":
        return Size(JOIN, JOIN)
    if item.kind in ("input", "output"):
        return Size(_pill_width(item), PILL)
    details = _details(item)
    width = max(_title_width(item), *(text_width(line, DETAIL) for line in details), 0.0)
    marks = (MARK if item.children else 0.0) + (MARK + 4 if item.loop else 0.0)
    height = BOX + LINE * (len(details) - 1) if details else PILL
    header = 0.0
    if item.children:
        note = text_width(weights_text(item), DETAIL)
        header = 2 * INSET + MARK + _title_width(item) + (MARK + 4 if item.loop else 0.0) + note + INSET
    return Size(width + 2 * INSET + marks, height, header)


def _badge(item: SceneItem) -> str:
    parts = [f"×{item.copies}"] if item.copies > 1 else []
    return " ".join([*parts, "backward"] if item.loop == "backward" else parts)


def _texts(item: SceneItem) -> tuple[str, str, str]:
    """The title line: the block or operator, the label, and the badge."""
    label = item.label if item.title and item.label != item.title else ""
    return item.title or item.label, label, _badge(item)


def _title_width(item: SceneItem) -> float:
    title, label, badge = _texts(item)
    width = text_width(title, TITLE, bold=True)
    for part in (label, badge):
        width += text_width(f" {part}", TITLE, bold=part == badge) if part else 0.0
    return width


def _details(item: SceneItem) -> list[str]:
    """The lines below the title: shape and weights, on one line where they fit."""
    parts = [part for part in (item.shape, weights_text(item)) if part]
    joined = " · ".join(parts)
    if text_width(joined, DETAIL) <= MAX_TEXT:
        return [joined] if joined else []
    return [line for part in parts for line in _wrapped(part)]


def _wrapped(text: str) -> list[str]:
    """A text on lines of at most `MAX_TEXT`, where it has commas to break after."""
    lines = [""]
    for part in text.split(", "):
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if lines[-1] and text_width(longer, DETAIL) > MAX_TEXT:
            lines[-1] += ","
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


def weights_text(item: SceneItem) -> str:
    """`9,408 params`, with `each` where the copies of an item have as many."""
    if item.parameters:
        return f"{number_text(item.parameters, short=True)} params" + (" each" if item.each else "")
    return "shared" if item.is_shared else ""


def one_line(item: SceneItem) -> str:
    """The title, label and repetition of an item, for formats that lay out text themselves."""
    if item.kind == "join":
        return {"add": "+", "subtract": "−", "multiply": "×"}[item.title]
    title = item.label if item.kind in ("input", "output") else item.title
    parts = [title or item.label, item.label if item.label != title and title else "", _badge(item)]
    mark = {"": "", "forward": "↻", "backward": "↺"}[item.loop]
    return " ".join(part for part in [*parts, mark] if part)


def text_lines(item: SceneItem) -> str:
    """`one_line`, and below it the shape of what comes out and the weights."""
    if item.kind == "join":
        return one_line(item)
    return "\n".join([one_line(item), *_details(item)])


def _pill_width(item: SceneItem) -> float:
    return text_width(item.label, TITLE, bold=True) + text_width(f" {item.shape}", DETAIL) + 2 * INSET + 6


def leaf_view(item: SceneItem, size: Size) -> Iterator[str]:
    """A box without children."""
    if item.kind == "join":
        radius = size.width / 2
        yield f'<circle class="join" cx="{radius:g}" cy="{radius:g}" r="{radius:g}"/>'
        yield f'<path class="sign" transform="translate({radius:g} {radius:g})" d="{SIGNS[item.title]}"/>'
    elif item.kind in ("input", "output"):
        yield f'<rect class="{item.category}" width="{size.width:.1f}" height="{PILL:g}" rx="{PILL / 2:g}"/>'
        yield f'<text class="t m" x="{size.width / 2:.1f}" y="18.5">{xml_text(item.label)} '
        yield f'<tspan class="d" style="font-weight:400">{xml_text(item.shape)}</tspan></text>'
    else:
        yield f'<rect class="{item.category if item.category != "group" else "bar"}" '
        yield f'width="{size.width:.1f}" height="{size.height:g}" rx="7"{heat_style(item)}/>'
        yield from _lines(item, size, 0.0)


def closed_view(item: SceneItem, size: Size) -> Iterator[str]:
    """A folded group."""
    yield f'<rect class="bar fold" width="{size.width:.1f}" height="{size.height:g}" rx="7"'
    yield f"{heat_style(item)} {button(item, False)}/>"
    yield f'<path class="mark" transform="translate(12 {size.height / 2:g})" d="{RIGHT}"/>'
    yield from _lines(item, size, MARK / 2)


def button(item: SceneItem, is_open: bool) -> str:
    """The attributes by which a keyboard and a screen reader find the part that folds a group."""
    name = attribute_text(", ".join(part for part in (one_line(item), weights_text(item)) if part))
    return f'tabindex="0" role="button" aria-expanded="{str(is_open).lower()}" aria-label="{name}"'


def _lines(item: SceneItem, size: Size, shift: float) -> Iterator[str]:
    middle = size.width / 2 + shift - (9 if item.loop else 0)
    details = _details(item)
    yield f'<text class="t m" x="{middle:.1f}" y="{17.5 if details else 18.5}">{_title(item)}</text>'
    for number, line in enumerate(details):
        yield f'<text class="d m" x="{middle:.1f}" y="{33 + LINE * number:g}">{xml_text(line)}</text>'
    if item.loop:
        yield _loop(item, size.width - 15, size.height / 2)


def header_view(item: SceneItem, width: float) -> Iterator[str]:
    """The header of an open group; the note is at its right end."""
    yield f'<path class="mark" transform="translate(14 {HEADER / 2:g})" d="{DOWN}"/>'
    start = INSET + MARK
    yield f'<text class="t" x="{start:g}" y="17.5">{_title(item)}</text>'
    if item.loop:
        yield _loop(item, start + _title_width(item) + 12, HEADER / 2)
    if weights_text(item):
        yield f'<text class="d end" x="{width - INSET:.1f}" y="17">{xml_text(weights_text(item))}</text>'


def _loop(item: SceneItem, x: float, y: float) -> str:
    """The mark of a scan: an arrow clockwise, or the other way for a scan that runs backward."""
    turn = " scale(-1 1)" if item.loop == "backward" else ""
    return f'<path class="sign" transform="translate({x:.1f} {y:.1f}){turn}" d="{CLOCKWISE}"/>'


def _title(item: SceneItem) -> str:
    title, label, badge = _texts(item)
    text = xml_text(title)
    text += f'<tspan class="l" dx="4">{xml_text(label)}</tspan>' if label else ""
    text += f'<tspan class="badge" dx="5">{xml_text(badge)}</tspan>' if badge else ""
    return text
