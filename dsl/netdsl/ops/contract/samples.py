"""Random tensors for the samples of operators."""

from __future__ import annotations

from netdsl.immutable import immutable
from netdsl.types import DType


@immutable
class Draw:
    """A random tensor for a sample: numbers uniform in `[low, high)`; booleans with equal probability."""

    dtype: DType
    shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0


def draw(*shape: int, low: float = -1.0, high: float = 1.0, dtype: str = "f32") -> Draw:
    """A float sample. The conformance test runs it in f32 and in f64."""
    return Draw(DType(dtype), shape, low, high)


def draw_ints(*shape: int, low: int = 0, high: int = 10, dtype: str = "i64") -> Draw:
    return Draw(DType(dtype), shape, low, high)


def draw_bools(*shape: int) -> Draw:
    return Draw(DType.BOOL, shape)
