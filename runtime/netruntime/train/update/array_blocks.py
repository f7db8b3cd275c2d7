"""Arithmetic on weights of any size: in blocks that stay in the cache, and sums that cannot overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
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


def sum_squares(xp: ModuleType, array: Array, scale: float = 1.0, out: Array | None = None) -> Array:
    """The sum of `(x * scale)²` as a scalar of the device, in f64 and in a fixed order.

    Args:
        out: On a GPU, where the sum is written.
    """
    if array.size == 0:
        return xp.zeros((), xp.float64)
    if not on_cpu(xp):
        return _sum_squares_kernel(xp)(array, scale, xp.empty((), xp.float64) if out is None else out)
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


@cache
def _sum_squares_kernel(xp: ModuleType) -> Callable[[Array, float, Array], Array]:
    """`sum_squares` in one launch, without an array of squares."""
    kernel: Callable[[Array, float, Array], Array] = xp.ReductionKernel(
        in_params="T x, float64 scale",
        out_params="float64 total",
        map_expr="((double)x * scale) * ((double)x * scale)",
        reduce_expr="a + b",
        post_map_expr="total = a",
        identity="0",
        name="netdsl_sum_squares",
    )
    return kernel


def square_sums(xp: ModuleType, arrays: Sequence[Array]) -> Array:
    """The sums of the squares of each array, for `norm`: f64, on the device."""
    sums = xp.zeros(len(arrays), xp.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for place, array in enumerate(arrays):
            if on_cpu(xp):
                sums[place] = quick_sum_squares(array)
            elif array.size:
                sum_squares(xp, array, out=sums[place])
    return sums


def quick_sum_squares(array: Array) -> float:
    """The sum of squares in CPU memory, by products of blocks with themselves, which are added up in f64.

    Many times faster than `sum_squares`, and accurate to six digits for f32; infinite or too small if squares
    overflow or underflow the element type.
    """
    if array.dtype.itemsize == 2:
        return float(sum_squares(np, array))
    return math.fsum(float(np.vdot(part, part)) for (part,) in blocks(np, array) if part.size)


def norm(xp: ModuleType, arrays: Iterable[Array], squares: Sequence[float] | None = None) -> float:
    """The Euclidean norm of all elements together; infinite or NaN only if an element is.

    Squares of 16- and 32-bit values fit in f64; if those of f64 values do not, the norm is computed again
    from all values divided by the largest.

    Args:
        squares: `square_sums` of the arrays on the host, if they are known.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        listed = list(arrays)
        return _norm(xp, listed, square_sums(xp, listed).tolist() if squares is None else squares)


def _norm(xp: ModuleType, listed: list[Array], squares: Sequence[float]) -> float:
    quick = sum(squares)
    if not on_cpu(xp) and all(array.dtype.itemsize < 8 for array in listed):
        return math.sqrt(quick)  # its squares were taken in f64, where they neither overflow nor underflow
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
