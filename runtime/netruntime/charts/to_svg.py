"""A canvas as SVG."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from netruntime.charts.canvas import Bitmap, Canvas, Caption, Dot, Mark, Polyline, Rect
from netruntime.charts.colours import LIGHT, chart_css
from netruntime.draw.texts import xml_text
from netruntime.files.arrays import Array


def to_svg(canvas: Canvas) -> str:
    """The text of an SVG file, for light and dark surroundings."""
    return "".join(_document(canvas))


def _document(canvas: Canvas) -> Iterator[str]:
    width, height, title = canvas.width, canvas.height, canvas.title
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="nd" viewBox="0 0 {_n(width)} {_n(height)}" '
    yield f'width="{_n(width)}" height="{_n(height)}" role="img">\n'
    if title:
        yield f"<title>{xml_text(title)}</title>\n"
    yield f"<style>{xml_text(chart_css())}</style>\n"
    yield f'<rect width="100%" height="100%"{_paint("fill", "page")}/>\n'
    for mark in canvas.marks:
        yield _element(mark) + "\n"
    yield "</svg>\n"


def _element(mark: Mark) -> str:
    match mark:
        case Rect():
            place = f'x="{_n(mark.x)}" y="{_n(mark.y)}" width="{_n(mark.width)}" height="{_n(mark.height)}"'
            return f"<rect {place}{_paint('fill', mark.colour)}{_opacity(mark.opacity)}/>"
        case Polyline():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in mark.points)
            dashes = ' stroke-dasharray="5 4"' if mark.dashed else ""
            look = f'fill="none" stroke-width="{_n(mark.width)}" stroke-linejoin="round"{dashes}'
            return (
                f'<polyline points="{points}" {look}{_paint("stroke", mark.colour)}{_opacity(mark.opacity)}/>'
            )
        case Dot():
            place = f'cx="{_n(mark.x)}" cy="{_n(mark.y)}" r="{_n(mark.radius)}"'
            return f"<circle {place}{_paint('fill', mark.colour)}/>"
        case Caption():
            return _text(mark)
        case Bitmap():
            place = f'x="{_n(mark.x)}" y="{_n(mark.y)}" width="{_n(mark.width)}" height="{_n(mark.height)}"'
            data = base64.b64encode(encode_png(mark.pixels)).decode()
            look = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
            return f'<image {place} {look} href="data:image/png;base64,{data}"/>'


def _text(mark: Caption) -> str:
    turn = f' transform="rotate(-90 {_n(mark.x)} {_n(mark.y)})"' if mark.turned else ""
    weight = ' font-weight="700"' if mark.bold else ""
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    place = f'x="{_n(mark.x)}" y="{_n(mark.y)}" font-size="{_n(mark.size)}"'
    paint = _paint("fill", mark.colour)
    return f"<text {place}{anchor}{weight}{turn}{paint}>{xml_text(mark.text)}</text>"


def _paint(what: str, colour: str) -> str:
    """A colour that follows the surroundings, and a fixed one for programs without CSS variables."""
    return f' {what}="{LIGHT[colour]}" style="{what}:var(--{colour})"'


def _opacity(opacity: float) -> str:
    return "" if opacity >= 1 else f' opacity="{opacity:.3g}"'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def encode_png(pixels: Array) -> bytes:
    """`[H, W]` or `[H, W, 3]` u8 pixels as PNG (W3C recommendation), which is what SVG embeds."""
    height, width = pixels.shape[:2]
    colour_type = 0 if pixels.ndim == 2 else 2
    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
