"""Sums, means and deviations that keep their precision, for reductions and normalisations."""

from __future__ import annotations

from netdsl.ops.contract.base import Array, Module
from netdsl.ops.numerics.functions import widen

AxisSet = tuple[int, ...] | None
"""Axes of an array as array modules take them; None means all."""


def axis_set(axes: tuple[int, ...], rank: int) -> AxisSet:
    """`axes`, or None if that is all of them: on a scalar, an empty tuple would reduce nothing."""
    return None if len(axes) == rank else axes


def wide_sum(xp: Module, x: Array, axes: AxisSet, *, keepdims: bool = False) -> Array:
    """The sum over `axes`; 16-bit floats are summed in f32 and stay f32, other types are unchanged."""
    dtype = xp.float32 if x.dtype.itemsize == 2 else x.dtype
    return xp.asarray(xp.sum(x, axis=axes, dtype=dtype, keepdims=keepdims))


def centred(xp: Module, x: Array, axes: AxisSet) -> Array:
    """`x` minus its mean over `axes`, in f32 at least; `x` has elements along `axes`.

    The first mean is rounded at the scale of `x`, which can be far coarser than the deviations. The mean
    of the deviations is that error; subtracting it too leaves an error at the scale of the deviations.
    """
    x = widen(xp, x)
    deviations = xp.asarray(x - xp.mean(x, axis=axes, keepdims=True))
    deviations -= xp.mean(deviations, axis=axes, keepdims=True)
    return deviations
