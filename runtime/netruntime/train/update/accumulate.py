"""Gradient accumulation: the mean of the gradients of several parts of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np

from netdsl.ops.contract.base import Array
from netruntime.train.update.array_blocks import blocks, compute_type, fit_scratch, scratch


class GradientMean:
    """The mean of the gradients of several parts of a batch, for `accumulate`.

    Sums are f64 for f64 gradients, else f32. With losses that are means over examples, weight each part by
    its number of examples to get the mean over the full batch.
    """

    def __init__(self) -> None:
        self.parts = 0
        self._weight = 0.0
        self._sums: dict[str, Array] = {}

    def add(self, xp: ModuleType, gradients: Mapping[str, Array], weight: float = 1.0) -> None:
        """Add the gradients of a part; they are only read.

        Raises `ValueError` for labels that differ from the first part's, or a weight that is not above 0.
        """
        if weight <= 0:
            raise ValueError(f"the weight of a part must be above 0, but is {weight}")
        if self.parts and set(gradients) != set(self._sums):
            raise ValueError("the parts of a batch must have gradients of the same weights")
        with np.errstate(all="ignore"):
            for label, gradient in gradients.items():
                if not self.parts:
                    total = xp.empty(gradient.shape, compute_type(xp, gradient))
                    self._sums[label] = xp.multiply(gradient, weight, out=total, casting="unsafe")
                else:
                    _add_scaled(xp, self._sums[label], gradient, weight)
        self.parts += 1
        self._weight += weight

    def take(self) -> dict[str, Array]:
        """Return the mean, in arrays owned by the caller, and reset.

        Raises `ValueError` if no part was added.
        """
        if not self.parts:
            raise ValueError("there is no gradient to average: no part of a batch was added")
        sums, share = self._sums, 1 / self._weight
        for total in sums.values() if share != 1 else ():
            total *= share
        self.parts, self._weight, self._sums = 0, 0.0, {}
        return sums


def _add_scaled(xp: ModuleType, total: Array, gradient: Array, weight: float) -> None:
    (buffer,) = scratch(xp, total, 1)
    for part, g in blocks(xp, total, gradient):
        scaled = fit_scratch(buffer, part)
        xp.multiply(g, weight, out=scaled)
        part += scaled


def owned(gradients: Mapping[str, Array]) -> dict[str, Array]:
    """The gradients of one part as arrays that may be changed in place, copied only if necessary.

    Two weights can share one gradient array, and an array can be a view of another.
    """
    seen: set[int] = set()
    arrays = {}
    for label, gradient in gradients.items():
        is_own = gradient.base is None and id(gradient) not in seen and gradient.flags.c_contiguous
        seen.add(id(gradient))
        arrays[label] = gradient if is_own else gradient.copy()
    return arrays
