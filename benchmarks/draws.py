"""How the inputs of the benchmarks are drawn. Only NumPy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator], Array]


def floats(*shape: int) -> Draw:
    return lambda rng: rng.normal(size=shape).astype(np.float32)


def below(limit: int, *shape: int) -> Draw:
    return lambda rng: rng.integers(0, limit, shape).astype(np.int32)


def kept(*shape: int) -> Draw:
    """A keep-mask with padding in the last quarter of every second sequence."""

    def draw(rng: np.random.Generator) -> Array:
        keep = np.ones(shape, bool)
        keep[1::2, shape[1] * 3 // 4 :] = False
        return keep

    return draw
