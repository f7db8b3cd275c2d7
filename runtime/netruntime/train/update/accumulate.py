"""Gradient accumulation: the sum of the gradients of several parts of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np

from netdsl.ops.contract.base import Array
from netruntime.train.update.array_blocks import compute_type


class GradientSum:
    """The sum of the gradients of several parts of a batch, for `accumulate`.

    Sums are f64 for f64 gradients, else f32.
    """

    def __init__(self) -> None:
        self.parts = 0
        self._sums: dict[str, Array] = {}

    def add(self, xp: ModuleType, gradients: Mapping[str, Array]) -> None:
        """Add the gradients of a part; they are only read.

        Raises `ValueError` for labels that differ from the first part's.
        """
        if self.parts and set(gradients) != set(self._sums):
            raise ValueError("the parts of a batch must have gradients of the same weights")
        with np.errstate(all="ignore"):
            for label, gradient in gradients.items():
                if self.parts:
                    self._sums[label] += gradient
                else:
                    self._sums[label] = xp.array(gradient, compute_type(xp, gradient))
        self.parts += 1

    def take(self) -> dict[str, Array]:
        """Return the sum, in arrays owned by the caller, and reset.

        Raises `ValueError` if no part was added.
        """
        if not self.parts:
            raise ValueError("there is no gradient to add up: no part of a batch was added")
        sums, self.parts, self._sums = self._sums, 0, {}
        return sums


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
