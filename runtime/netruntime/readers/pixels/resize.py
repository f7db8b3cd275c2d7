"""Pictures of another size: bilinear, as Pillow's `BILINEAR` filter but without rounding, in NumPy.

This is the one resizing of netdsl: it needs no package, takes batches, and gives files and arrays of the same
pixels the same numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netruntime.files.arrays import Array
from netruntime.readers.options import Resize

DENSE = 64 * 64
"""Weights of up to this size are applied as one matrix; of larger ones only those that are not 0."""


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


def nearest_pictures(pictures: Array, height: int, width: int, how: Resize, fill: int) -> Array:
    """As `resize_pictures`, but each pixel is one of the picture's: for classes, which have no means.

    `fill` goes around a picture that is fitted to within.
    """
    old = pictures.shape[-2:]
    ratios = (height / old[0], width / old[1])
    if how != "stretch":
        ratios = (min(ratios),) * 2 if how == "fit" else (max(ratios),) * 2
    sides = (height, width) if how == "stretch" else [max(1, round(n * ratios[0])) for n in old]
    rows, columns = (_nearest(n, side) for n, side in zip(old, sides, strict=True))
    return _centred(pictures[..., rows, :][..., columns], height, width, fill)


def _nearest(old: int, new: int) -> Array:
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)


def _stretched(planes: Array, height: int, width: int) -> Array:
    rows, columns = triangle_weights(planes.shape[-2], height), triangle_weights(planes.shape[-1], width)
    if max(rows.size, columns.size) > DENSE:
        return _weighted(_weighted(np.ascontiguousarray(planes), rows, -2), columns, -1)
    result: Array = rows @ np.ascontiguousarray(planes, np.float32) @ columns.T
    return result


def _weighted(planes: Array, weights: Array, axis: int) -> Array:
    """The weighted sums along an axis: each new place is made from a few neighbouring old ones."""
    count = int((weights != 0).sum(axis=1).max())
    first = np.minimum((weights != 0).argmax(axis=1), weights.shape[1] - count)
    shape = (-1, 1) if axis == -2 else (-1,)
    new = list(planes.shape)
    new[axis] = len(weights)
    result = np.zeros(new, np.float32)
    for n in range(count):
        factors = np.take_along_axis(weights, first[:, None] + n, axis=1)
        result += np.take(planes, first + n, axis=axis) * factors.reshape(shape)
    return result


def _centred(planes: Array, height: int, width: int, fill: int = 0) -> Array:
    """The middle of each plane where it is too large, `fill` around it where it is too small."""
    dtype = planes.dtype if fill == 0 else np.promote_types(planes.dtype, np.min_scalar_type(fill))
    result = np.full((*planes.shape[:-2], height, width), fill, dtype)
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
