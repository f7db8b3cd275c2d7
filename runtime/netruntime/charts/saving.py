"""Writing a canvas to files."""

from __future__ import annotations

from pathlib import Path

from netruntime.charts.canvas import Canvas
from netruntime.charts.to_png import to_png
from netruntime.charts.to_svg import to_svg
from netruntime.files.atomic import write_bytes


def save(canvas: Canvas, path: Path) -> tuple[Path, ...]:
    """Write a chart as SVG and, if `path` ends in .png, as PNG beside it; return the files written.

    Missing folders are created. Raises `MissingExtraError` E0901 for a PNG without matplotlib,
    `OSError` if a file cannot be written.
    """
    path = Path(path)
    stem = path.stem if path.suffix in (".svg", ".png") else path.name
    contents = {path.with_name(f"{stem}.svg"): to_svg(canvas).encode()}
    if path.suffix == ".png":
        contents[path] = to_png(canvas)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        write_bytes(file, content)
    return tuple(contents)
