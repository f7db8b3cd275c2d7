"""A canvas as PNG, on a light page, drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from math import ceil, hypot
from typing import Any

from netruntime.charts.canvas import Dot, Label, Line, Mark, Picture, Rect
from netruntime.charts.colours import blended
from netruntime.errors import need_extra

SCALE = 2
"""Pixels of the file to one of the canvas."""
FINER = 2
"""How much larger it is drawn at first, so that edges become smooth."""
DASH, GAP = 5.0, 4.0


def to_png(width: float, height: float, marks: Sequence[Mark]) -> bytes:
    """The bytes of the file. Raises `MissingExtraError` E0901 without Pillow."""
    need_extra("PIL", "image", "writing charts as PNG")
    painter = _Painter(width, height)
    for mark in marks:
        painter.paint(mark)
    return painter.encoded()


class _Painter:
    def __init__(self, width: float, height: float) -> None:
        from PIL import Image, ImageDraw

        self.unit = SCALE * FINER
        size = (ceil(width * self.unit), ceil(height * self.unit))
        self.image = Image.new("RGB", size, blended("page", 1.0))
        self.draw = ImageDraw.Draw(self.image)
        self.fonts: dict[float, Any] = {}

    def encoded(self) -> bytes:
        from PIL import Image

        size = (self.image.width // FINER, self.image.height // FINER)
        stream = io.BytesIO()
        self.image.resize(size, Image.Resampling.BOX).save(stream, "PNG", optimize=True)
        return stream.getvalue()

    def paint(self, mark: Mark) -> None:
        match mark:
            case Rect():
                corner = self._at(mark.x + mark.width, mark.y + mark.height)
                box = (*self._at(mark.x, mark.y), corner[0] - 1, corner[1] - 1)
                self.draw.rectangle(box, fill=blended(mark.colour, mark.opacity))
            case Line():
                self._line(mark)
            case Dot():
                x, y = self._at(mark.x, mark.y)
                self.draw.circle((x, y), mark.radius * self.unit, fill=blended(mark.colour, 1.0))
            case Label():
                self._label(mark)
            case Picture():
                self._picture(mark)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.unit), round(y * self.unit)

    def _line(self, mark: Line) -> None:
        colour, width = blended(mark.colour, mark.opacity), max(round(mark.width * self.unit), 1)
        pieces = _dashes(mark.points) if mark.dashed else [mark.points]
        for piece in pieces:
            self.draw.line([self._at(*point) for point in piece], fill=colour, width=width, joint="curve")

    def _label(self, mark: Label) -> None:
        from PIL import Image, ImageDraw

        font, colour = self._font(mark.size), blended(mark.colour, 1.0)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
        stroke = 0.6 * self.unit / 2 if mark.bold else 0  # the font has one weight
        if not mark.turned:
            place = self._at(mark.x, mark.y)
            self.draw.text(place, mark.text, fill=colour, font=font, anchor=anchor, stroke_width=stroke)
            return
        length, size = ceil(font.getlength(mark.text)), ceil(mark.size * self.unit * 1.5)
        mask = Image.new("L", (length, size), 0)
        baseline = round(mark.size * self.unit)
        ImageDraw.Draw(mask).text((0, baseline), mark.text, fill=255, font=font, anchor="ls")
        mask = mask.transpose(Image.Transpose.ROTATE_90)
        x, y = self._at(mark.x, mark.y)
        above = {"start": length, "middle": length // 2, "end": 0}[mark.anchor]
        self.image.paste(colour, (x - baseline, y - above), mask)

    def _picture(self, mark: Picture) -> None:
        from PIL import Image

        size = self._at(mark.width, mark.height)
        picture = Image.fromarray(mark.pixels).convert("RGB").resize(size, Image.Resampling.NEAREST)
        self.image.paste(picture, self._at(mark.x, mark.y))

    def _font(self, size: float) -> Any:
        from PIL import ImageFont

        if size not in self.fonts:
            self.fonts[size] = ImageFont.load_default(size * self.unit)
        return self.fonts[size]


def _dashes(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """A line as dashes of equal length along it."""
    found: list[list[tuple[float, float]]] = []
    walked = 0.0
    for (x, y), (to_x, to_y) in pairwise(points):
        length, at = hypot(to_x - x, to_y - y), 0.0
        while at < length:
            place = (walked + at) % (DASH + GAP)
            step = min((DASH if place < DASH else DASH + GAP) - place, length - at)
            if place < DASH:
                ends = (at / length, (at + step) / length)
                found.append([(x + (to_x - x) * t, y + (to_y - y) * t) for t in ends])
            at += max(step, 1e-6)
        walked += length
    return found
