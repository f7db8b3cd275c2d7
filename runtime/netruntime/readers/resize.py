"""Pictures of another size: bilinear, as Pillow's `BILINEAR` filter but without rounding, in NumPy.

This is the one resizing of netdsl: it needs no package, takes batches, and gives files and arrays of the same
pixels the same numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netruntime.files.arrays import Array
from netruntime.readers.options import Resize

BAND = 32
"""So many rows or columns are made at a time, from those that matter to them: the others weigh nothing."""


def resize_pictures(pictures: Array, height: int, width: int, how: Resize) -> Array:
    """`[N, C, H, W]` as f32 `[N, C, height, width]`.

    `stretch` scales each axis by itself; `fit` scales to within and centres on zeros; `crop` scales to cover
    and takes the middle. Where a picture shrinks, the triangle filter widens, so that every pixel counts.
    """
    old_height, old_width = pictures.shape[-2:]
    if how == "stretch":
        return _stretched(pictures, height, width)
    ratios = (height / old_height, width / old_width)
    ratio = min(ratios) if how == "fit" else max(ratios)
    scaled = _stretched(pictures, max(1, round(old_height * ratio)), max(1, round(old_width * ratio)))
    return _centred(scaled, height, width)


def _stretched(planes: Array, height: int, width: int) -> Array:
    rows, columns = triangle_weights(planes.shape[-2], height), triangle_weights(planes.shape[-1], width)
    tall = np.empty((*planes.shape[:-2], height, planes.shape[-1]), np.float32)
    for start in range(0, height, BAND):
        weights, used = _band(rows, start)
        band = np.ascontiguousarray(planes[..., used, :], np.float32)
        np.matmul(weights, band, out=tall[..., start : start + BAND, :])
    result = np.empty((*planes.shape[:-2], height, width), np.float32)
    for start in range(0, width, BAND):
        weights, used = _band(columns, start)
        result[..., start : start + BAND] = tall[..., used] @ weights.T
    return result


def _band(weights: Array, start: int) -> tuple[Array, slice]:
    """The weights of `BAND` new places, and the old places that these are made from."""
    mine = weights[start : start + BAND]
    places = np.flatnonzero(mine.any(axis=0))
    used = slice(int(places[0]), int(places[-1]) + 1)
    return mine[:, used], used


def _centred(planes: Array, height: int, width: int) -> Array:
    """The middle of each plane where it is too large, zeros around it where it is too small."""
    result = np.zeros((*planes.shape[:-2], height, width), planes.dtype)
    top, left = (height - planes.shape[-2]) // 2, (width - planes.shape[-1]) // 2
    inner = planes[..., max(0, -top) :, max(0, -left) :]
    target = result[..., max(0, top) :, max(0, left) :]
    rows, columns = min(inner.shape[-2], target.shape[-2]), min(inner.shape[-1], target.shape[-1])
    target[..., :rows, :columns] = inner[..., :rows, :columns]
    return result


@lru_cache(maxsize=64)
def triangle_weights(old: int, new: int) -> Array:
    """The matrix f32 `[new, old]` that resizes an axis; each row sums to 1."""
    scale = old / new
    support = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(old)[None] + 0.5 - centres) / support
    weights = np.maximum(0.0, 1.0 - distance)
    result: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
