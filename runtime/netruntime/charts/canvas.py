"""A page that marks are put on, and its two files: SVG, and PNG where Pillow is there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

from netruntime.errors import MissingExtraError, TrainingError, shown
from netruntime.files.atomic import write_atomically

Array = np.ndarray[Any, np.dtype[Any]]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Rect:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A filled circle around `x`, `y`."""

    x: float
    y: float
    radius: float
    colour: str


@dataclass(frozen=True)
class Label:
    """A line of text whose baseline is at `y`; `turned` ones read upwards."""

    x: float
    y: float
    text: str
    size: float
    colour: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Picture:
    """Pixels `[h, w]` or `[h, w, 3]` of u8, each shown as a sharp square."""

    x: float
    y: float
    width: float
    height: float
    pixels: Array


Mark: TypeAlias = Rect | Line | Dot | Label | Picture


@dataclass
class Canvas:
    """Marks on a page of `width` x `height` pixels, the first lowest."""

    width: float
    height: float
    title: str = ""
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """Put marks on top; labels without a text are left out."""
        self.marks.extend(mark for mark in marks if not isinstance(mark, Label) or mark.text)

    def svg(self) -> str:
        """The text of an SVG file, for light and dark surroundings."""
        from netruntime.charts.to_svg import to_svg

        return to_svg(self.width, self.height, self.title, self.marks)

    def png(self) -> bytes:
        """A PNG file at twice the size. Raises `MissingExtraError` E0901 without Pillow."""
        from netruntime.charts.to_png import to_png

        return to_png(self.width, self.height, self.marks)

    def save(self, path: Path) -> tuple[Path, ...]:
        """Write `path` with the endings .svg and .png in place of its own; the files that were written.

        Without Pillow there is no PNG, which a warning tells. Raises `TrainingError` E1055 where the
        system refuses.
        """
        path = Path(path)
        stem = path.stem if path.suffix in (".svg", ".png") else path.name
        written = [_write(path.with_name(f"{stem}.svg"), self.svg().encode())]
        try:
            written.append(_write(path.with_name(f"{stem}.png"), self.png()))
        except MissingExtraError as missing:
            warnings.warn(f"no PNG beside {written[0]}: {missing.diagnostics[0].message}", stacklevel=3)
        return tuple(written)


def _write(path: Path, content: bytes) -> Path:
    def fill(stream: BinaryIO) -> None:
        stream.write(content)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, fill)
    except OSError as reason:
        message = f"cannot write the chart {shown(path)}: {reason.strerror or reason}"
        help = "name a file in a folder that has space and may be written to"
        raise TrainingError.make("E1055", message, help=help) from reason
    return path


def polyline(points: Sequence[tuple[float, float]], colour: str, **look: Any) -> list[Line]:
    """Lines through points, broken where a point is not finite; a point alone becomes a short line."""
    parts: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if np.isfinite(point).all():
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    lines = [part if len(part) > 1 else [part[0], (part[0][0] + 1, part[0][1])] for part in parts if part]
    return [Line(tuple(part), colour, **look) for part in lines]
