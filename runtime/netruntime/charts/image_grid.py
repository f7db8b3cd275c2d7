"""Grids of small images: samples, reconstructions, filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netruntime.charts.canvas import Bitmap, Canvas, Caption
from netruntime.charts.saving import save
from netruntime.draw.style import shorten
from netruntime.files.arrays import Array

MARGIN, GAP, TEXT, TITLE = 14.0, 6.0, 10.0, 14.0
SMALLEST = 56.0
"""Images are enlarged by an integer factor to at least this width."""


def image_grid(
    arrays: Array | Sequence[Array],
    path: Path,
    columns: int,
    *,
    titles: Sequence[str] | None = None,
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> tuple[Path, ...]:
    """Draw images into `path` and return the files written, as `saving.save` does.

    See `draw_image_grid` for the arguments.
    """
    drawn = draw_image_grid(arrays, columns, titles=titles, title=title, limits=limits)
    return save(drawn, path)


def draw_image_grid(
    arrays: Array | Sequence[Array],
    columns: int,
    *,
    titles: Sequence[str] | None = None,
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> Canvas:
    """Images side by side, `columns` to a row.

    Args:
        arrays: Images `[H, W]`, `[1, H, W]` or `[3, H, W]`.
        titles: A text below each.
        title: A text above all.
        limits: The values of black and white; by default the smallest and largest value of all images.

    Raises:
        ValueError: for arrays that are not images, for no images, for the wrong number of titles.
    """
    images = [_channels_last(np.asarray(array, np.float64)) for array in arrays]
    if not images or columns < 1:
        raise ValueError(f"there are {len(images)} images for {columns} columns")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"there are {len(images)} images and {len(titles)} titles")
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    factor = max(math.ceil(SMALLEST / width), 1)
    size = (width * factor + GAP, height * factor + GAP + (TEXT + 6 if titles else 0))
    columns = min(columns, len(images))
    top = 34.0 if title else MARGIN
    rows = math.ceil(len(images) / columns)
    canvas = Canvas(2 * MARGIN + columns * size[0] - GAP, top + rows * size[1] - GAP + MARGIN, title)
    canvas.add(Caption(MARGIN, 22, shorten(title, TITLE, canvas.width - 2 * MARGIN), TITLE, bold=True))
    low, high = limits or _limits(images)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        x, y = MARGIN + column * size[0], top + row * size[1]
        canvas.add(Bitmap(x, y, image.shape[1] * factor, image.shape[0] * factor, _bytes(image, low, high)))
        if titles is not None:
            below = (x + width * factor / 2, y + height * factor + TEXT + 2)
            text = shorten(titles[number], TEXT, width * factor)
            canvas.add(Caption(*below, text, TEXT, "soft", "middle"))
    return canvas


def _channels_last(array: Array) -> Array:
    if array.size and array.ndim == 2:
        return array
    if array.size and array.ndim == 3 and array.shape[0] in (1, 3):
        return array.reshape(array.shape[1:]) if len(array) == 1 else np.moveaxis(array, 0, -1)
    raise ValueError(f"an image must be [H, W], [1, H, W] or [3, H, W], but is {list(array.shape)}")


def _limits(images: Sequence[Array]) -> tuple[float, float]:
    finite = np.concatenate([image[np.isfinite(image)] for image in images])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _bytes(image: Array, low: float, high: float) -> Array:
    """The image from black at `low` to white at `high`; NaN is black."""
    scaled = (image - low) / (high - low) if high > low else np.zeros_like(image)
    pixels: Array = (np.clip(np.nan_to_num(scaled), 0, 1) * 255).round().astype(np.uint8)
    return pixels
