"""Conversion of inputs that are on a GPU already; the checks of their values are read with the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.types import DType
from netruntime.files.arrays import CastError, check_kind, float_limit, numpy_dtype, out_of_range, too_large

Failure = Callable[[CastError], Exception]
"""Makes the exception for values that do not fit."""


def narrow(xp: Any, array: Any, dtype: DType, checks: DeferredChecks, failure: Failure) -> Any:
    """An array of a GPU as an input's element type; see `netruntime.files.arrays.cast`.

    Values out of range fail when the checks are read. Raises `CastError` for another kind of number.
    """
    check_kind(array, dtype)
    checks.blame = lambda message: failure(CastError(message))
    if dtype.is_float:
        _check_floats(xp, array, dtype.value, checks)
    else:
        _check_integers(array, dtype.value, checks)
    return array.astype(numpy_dtype(dtype.value), copy=False)


def _check_floats(xp: Any, array: Any, to: str, checks: DeferredChecks) -> None:
    limit = float_limit(array.dtype, to)
    if limit is None or not array.size:
        return
    size = xp.abs(array.astype(xp.float64))
    size = xp.where(xp.isfinite(size), size, 0.0)
    checks.add(size > limit, lambda count: too_large(float(size.max()), to))


def _check_integers(array: Any, to: str, checks: DeferredChecks) -> None:
    if not array.size or np.can_cast(array.dtype, numpy_dtype(to), "safe"):
        return
    limits = (0, 1) if to == "bool" else (np.iinfo(numpy_dtype(to)).min, np.iinfo(numpy_dtype(to)).max)
    own = np.iinfo(array.dtype)
    wrong = [array < limits[0]] if own.min < limits[0] else []
    wrong += [array > limits[1]] if own.max > limits[1] else []
    both = wrong[0] | wrong[1] if len(wrong) == 2 else wrong[0]
    checks.add(both, lambda count: out_of_range(int(array.min()), int(array.max()), to))
