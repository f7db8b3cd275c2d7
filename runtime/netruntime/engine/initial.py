"""Initial values of parameters: seeded, the same on every device, one random stream per label path."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from netdsl.model import Init
from netdsl.types import TensorType
from netruntime.files.arrays import Array, numpy_dtype


def initial_value(path: str, init: Init, type_: TensorType, seed: int) -> Array:
    """The initial value of a parameter.

    Args:
        path: Its label path; equal paths with equal seeds give equal values.
        init: Its initialiser.
        type_: Its type; all sizes are fixed.
        seed: The run's seed.
    """
    shape = tuple(size.value for size in type_.shape)
    rng = np.random.default_rng([seed, zlib.crc32(path.encode())])
    values = _INITIALISERS[init.kind](rng, shape, *init.args)
    return np.asarray(values).astype(numpy_dtype(type_.dtype.value))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Fan-in and fan-out: `[in, out]` for a matrix, `[out, in, *window]` for a convolution."""
    if len(shape) < 2:
        return (shape[0] if shape else 1), (shape[0] if shape else 1)
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


Maker = Callable[..., Any]


def _normal(rng: np.random.Generator, shape: tuple[int, ...], *args: float) -> Any:
    mean, std = (0.0, args[0]) if len(args) == 1 else (args or (0.0, 1.0))
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std) + np.float32(mean)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], *args: float) -> Any:
    low, high = (-args[0], args[0]) if len(args) == 1 else (args or (-1.0, 1.0))
    return rng.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low)


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...], *args: float) -> Any:
    """Normal values, redrawn until they are within two standard deviations."""
    mean, std = (0.0, args[0]) if len(args) == 1 else (args or (0.0, 1.0))
    values = rng.standard_normal(shape, dtype=np.float32)
    while (out := np.abs(values) > 2).any():
        values[out] = rng.standard_normal(int(out.sum()), dtype=np.float32)
    return values * np.float32(std) + np.float32(mean)


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Glorot and Bengio 2010: uniform with variance 2 / (fan_in + fan_out)."""
    return _uniform(rng, shape, math.sqrt(6 / max(1, sum(fans(shape)))))


def _glorot_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return _normal(rng, shape, math.sqrt(2 / max(1, sum(fans(shape)))))


def _he(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """He et al. 2015: uniform with variance 2 / fan_in."""
    return _uniform(rng, shape, math.sqrt(6 / max(1, fans(shape)[0])))


def _he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return _normal(rng, shape, math.sqrt(2 / max(1, fans(shape)[0])))


def _lecun(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """LeCun et al. 1998: normal with variance 1 / fan_in."""
    return _normal(rng, shape, math.sqrt(1 / max(1, fans(shape)[0])))


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...], gain: float = 1.0) -> Any:
    """Saxe et al. 2014: orthonormal rows or columns, whichever are fewer; later axes are flattened."""
    rows = shape[0] if shape else 1
    columns = math.prod(shape[1:])
    if rows == 0 or columns == 0:
        return np.zeros(shape)
    square = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(square)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return gain * (q if rows >= columns else q.T).reshape(shape)


def _identity(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Ones on the diagonal of the first two axes; there are at least two axes."""
    values = np.zeros(shape)
    diagonal = np.arange(min(shape[:2]))
    values[diagonal, diagonal] = 1.0
    return values


_INITIALISERS: dict[str, Maker] = {
    "zeros": lambda rng, shape: np.zeros(shape),
    "ones": lambda rng, shape: np.ones(shape),
    "constant": lambda rng, shape, value: np.full(shape, value),
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
    "glorot": _glorot,
    "glorot_normal": _glorot_normal,
    "he": _he,
    "he_normal": _he_normal,
    "lecun": _lecun,
    "orthogonal": _orthogonal,
    "identity": _identity,
}
