"""Arrays for tests of operators: samples as their examples describe them, and other layouts of the same."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from netdsl.ops.contract.samples import Draw
from netdsl.types import DType


def sample(draw: Draw | None, dtype: DType, salt: str) -> Any:
    """The array of a draw; floats are made in `dtype`."""
    if draw is None:
        return None
    rng = np.random.default_rng(zlib.crc32(f"{draw}{salt}".encode()))
    if draw.dtype is DType.BOOL:
        return rng.random(draw.shape) < 0.5
    if draw.dtype.is_int:
        return rng.integers(int(draw.low), int(draw.high), draw.shape).astype(draw.dtype.numpy_name)
    values = rng.uniform(draw.low, draw.high, draw.shape)
    return values.astype((dtype if draw.dtype is DType.F32 else draw.dtype).numpy_name)


def strided(array: Any, xp: Any) -> Any:
    """The same values in memory that is not contiguous: every second element of a larger array."""
    if array is None or array.ndim == 0:
        return array
    wide = xp.zeros((*array.shape[:-1], array.shape[-1] * 2), dtype=array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]
