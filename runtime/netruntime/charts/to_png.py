"""A canvas as PNG, on a light page, drawn by matplotlib."""

from __future__ import annotations

import io
from typing import Any

from netruntime.charts.canvas import Bitmap, Canvas, Caption, Dot, Mark, Polyline, Rect
from netruntime.charts.colours import LIGHT
from netruntime.errors import need_extra

SCALE = 2
"""Pixels of the file per pixel of the canvas."""
_POINTS = 72
"""Points in an inch: with as many pixels of the canvas, sizes of text and lines are the canvas's own."""
_ALIGNMENT = {"start": "left", "middle": "center", "end": "right"}


def to_png(canvas: Canvas) -> bytes:
    """The bytes of a PNG file at twice the size. Raises `MissingExtraError` E0901 without matplotlib."""
    need_extra("matplotlib", "plots", "writing charts as PNG")
    from matplotlib.figure import Figure

    size = (canvas.width / _POINTS, canvas.height / _POINTS)
    figure = Figure(figsize=size, dpi=SCALE * _POINTS, facecolor=LIGHT["page"])
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, canvas.width), ylim=(canvas.height, 0))
    axes.axis("off")
    for number, mark in enumerate(canvas.marks):
        _paint(axes, mark, number)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _paint(axes: Any, mark: Mark, order: int) -> None:
    """Put a mark on matplotlib's axes, above the marks of lower `order`."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Rectangle

    look: dict[str, Any]
    match mark:
        case Rect(x, y, width, height, colour, opacity):
            look = {"facecolor": LIGHT[colour], "linewidth": 0, "alpha": opacity}
            axes.add_patch(Rectangle((x, y), width, height, zorder=order, **look))
        case Polyline(points, colour, width, opacity, dashed):
            style = (0, (5 / width, 4 / width)) if dashed else "-"
            look = {"color": LIGHT[colour], "linewidth": width, "alpha": opacity, "linestyle": style}
            axes.add_line(Line2D(*zip(*points, strict=True), zorder=order, solid_joinstyle="round", **look))
        case Dot(x, y, radius, colour):
            axes.add_patch(Circle((x, y), radius, facecolor=LIGHT[colour], linewidth=0, zorder=order))
        case Caption():
            _letter(axes, mark, order)
        case Bitmap(x, y, width, height, pixels):
            look = {"interpolation": "nearest", "cmap": "gray", "vmin": 0, "vmax": 255, "aspect": "auto"}
            axes.imshow(pixels, extent=(x, x + width, y + height, y), zorder=order, **look)


def _letter(axes: Any, mark: Caption, order: int) -> None:
    font: dict[str, Any] = {
        "family": "DejaVu Sans",
        "size": mark.size,
        "weight": "bold" if mark.bold else "normal",
    }
    place: dict[str, Any] = {"ha": _ALIGNMENT[mark.anchor], "va": "baseline", "rotation_mode": "anchor"}
    angle = 90 if mark.turned else 0
    colour = LIGHT[mark.colour]
    axes.text(
        mark.x,
        mark.y,
        mark.text,
        color=colour,
        rotation=angle,
        zorder=order,
        parse_math=False,
        **font,
        **place,
    )
