"""Pictures of another size: bilinear, as Pillow's `BILINEAR` filter, for whole batches in NumPy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netruntime.files.arrays import Array
from netruntime.readers.input_spec import Resize


def resize_pictures(pictures: Array, height: int, width: int, how: Resize) -> Array:
    """`[N, C, H, W]` as f32 `[N, C, height, width]`.

    `stretch` scales each axis by itself; `fit` scales to within and centres on zeros; `crop` scales to cover
    and takes the middle. Where a picture shrinks, the triangle filter widens, so that every pixel counts.
    """
    planes = pictures.astype(np.float32, copy=False)
    old_height, old_width = planes.shape[-2:]
    if how == "stretch":
        return _stretched(planes, height, width)
    ratios = (height / old_height, width / old_width)
    ratio = min(ratios) if how == "fit" else max(ratios)
    scaled = _stretched(planes, max(1, round(old_height * ratio)), max(1, round(old_width * ratio)))
    return _centred(scaled, height, width)


def _stretched(planes: Array, height: int, width: int) -> Array:
    rows = triangle_weights(planes.shape[-2], height)
    columns = triangle_weights(planes.shape[-1], width)
    result: Array = rows @ planes @ columns.T
    return result


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
