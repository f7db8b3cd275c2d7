"""A page and the marks on it. `to_svg` and `to_png` draw it, `saving` writes it to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from netdsl.immutable import immutable
from netruntime.files.arrays import Array

Anchor = Literal["start", "middle", "end"]


@immutable
class Rect:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    opacity: float = 1.0


@immutable
class Polyline:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    opacity: float = 1.0
    dashed: bool = False


@immutable
class Dot:
    """A filled circle around `x`, `y`."""

    x: float
    y: float
    radius: float
    colour: str


@immutable
class Caption:
    """A line of text whose baseline is at `y`; `turned` ones read upwards."""

    x: float
    y: float
    text: str
    size: float
    colour: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    turned: bool = False


@immutable
class Bitmap:
    """Pixels `[H, W]` or `[H, W, 3]` of u8, each shown as a sharp square."""

    x: float
    y: float
    width: float
    height: float
    pixels: Array


Mark: TypeAlias = Rect | Polyline | Dot | Caption | Bitmap


@dataclass
class Canvas:
    """Marks on a page of `width` x `height` pixels, the first lowest."""

    width: float
    height: float
    title: str = ""
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """Put marks on top; captions without text are ignored."""
        self.marks.extend(mark for mark in marks if not isinstance(mark, Caption) or mark.text)


def polylines(points: Sequence[tuple[float, float]], colour: str, **look: Any) -> list[Polyline]:
    """Lines through points, broken where a point is not finite; a point alone becomes a short line."""
    parts: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if np.isfinite(point).all():
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    lines = [part if len(part) > 1 else [part[0], (part[0][0] + 1, part[0][1])] for part in parts if part]
    return [Polyline(tuple(part), colour, **look) for part in lines]
