"""Arithmetic on weights of any size: in blocks that stay in the cache, and sums that cannot overflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from netdsl.ops.contract.base import Array
from netdsl.ops.numerics.blocking import block_sizes, on_cpu

SMALL = 1e-20
"""Sums of squares in f32 below this may be inaccurate, because some squares underflow."""


def block_size(xp: ModuleType) -> int:
    """Elements per block: a few blocks fit in the cache of a CPU; on a GPU they bound the scratch memory."""
    return block_sizes(xp).weights


def compute_type(xp: ModuleType, array: Array) -> Any:
    """The element type to calculate in: f64 for f64, else f32."""
    return xp.float64 if array.dtype == xp.float64 else xp.float32


def blocks(xp: ModuleType, target: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """Matching flat parts of arrays of one shape; writing to a part of `target` writes to `target`.

    Arrays that are not contiguous are copied; if `target` is not, there is a single block.
    """
    if not target.flags.c_contiguous:
        yield (target, *others)
        return
    flat = [array.reshape(-1) for array in (target, *others)]
    size = block_size(xp)
    for start in range(0, target.size, size):
        yield tuple(array[start : start + size] for array in flat)


def scratch(xp: ModuleType, like: Array, count: int) -> list[Array]:
    """`count` arrays for the intermediate values of the blocks of `like`."""
    whole = not like.flags.c_contiguous
    shape = like.shape if whole else (min(like.size, block_size(xp)),)
    return [xp.empty(shape, compute_type(xp, like)) for _ in range(count)]


def fit_scratch(buffer: Array, part: Array) -> Array:
    """The beginning of a scratch array, of the shape of this block."""
    return buffer if buffer.shape == part.shape else buffer[: part.size]


def sum_squares(xp: ModuleType, array: Array, scale: float = 1.0) -> Array:
    """The sum of `(x * scale)²` as a scalar of the device, in f64 and in a fixed order."""
    if array.size == 0:
        return 0.0
    if not array.flags.c_contiguous:
        array = xp.ascontiguousarray(array)
    buffer = xp.empty(min(array.size, block_size(xp)), xp.float64)
    total = 0.0
    for (part,) in blocks(xp, array):
        square = fit_scratch(buffer, part)
        square[...] = part
        if scale != 1.0:
            square *= scale
        xp.multiply(square, square, out=square)
        total = total + xp.sum(square)
    return total


def quick_sum_squares(xp: ModuleType, array: Array) -> float:
    """The sum of squares by products of blocks with themselves, which are added up in f64.

    Many times faster than `sum_squares` on a CPU, and accurate to six digits for f32; infinite or too small
    if squares overflow or underflow the element type.
    """
    if not on_cpu(xp) or array.dtype.itemsize == 2:
        return float(sum_squares(xp, array))
    return math.fsum(float(np.vdot(part, part)) for (part,) in blocks(xp, array) if part.size)


def norm(xp: ModuleType, arrays: Iterable[Array]) -> float:
    """The Euclidean norm of all elements together; infinite or NaN only if an element is.

    Squares of 16- and 32-bit values fit in f64; if those of f64 values do not, the norm is computed again
    from all values divided by the largest.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _norm(xp, list(arrays))


def _norm(xp: ModuleType, listed: list[Array]) -> float:
    quick = sum(quick_sum_squares(xp, array) for array in listed)
    if SMALL < quick < math.inf:
        return math.sqrt(quick)
    total = float(sum(sum_squares(xp, array) for array in listed))
    if 1e-280 < total < math.inf:
        return math.sqrt(total)
    largest = max((float(xp.max(xp.abs(array))) for array in listed if array.size), default=0.0)
    if not 0 < largest < math.inf or math.isnan(total):
        return total
    if largest < 1e-300:
        # Its reciprocal would overflow.
        return math.sqrt(float(sum(sum_squares(xp, array, 1e300) for array in listed))) / 1e300
    return largest * math.sqrt(float(sum(sum_squares(xp, array, 1 / largest) for array in listed)))
