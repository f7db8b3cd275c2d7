"""Values as they lie in memory: a place, a shape and strides, as NumPy's arrays have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from netdsl.immutable import immutable
from netruntime.native.memory import Ref

Array = Any
AXES = 6
"""As in strides.h."""


@immutable
class View:
    """Elements of `itemsize` bytes in a buffer; `strides` counts elements."""

    at: Ref
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int

    @property
    def is_contiguous(self) -> bool:
        return all(
            size == 1 or stride == wanted
            for size, stride, wanted in zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        )

    def mapped(self, function: Callable[[Array], Array]) -> View | None:
        """What a function of NumPy makes of the view, by its strides; None if it copies.

        The function gets an array of the same strides over memory that is never touched.
        """
        reach = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        before = -sum(min(step, 0) for step in reach)
        memory = np.empty((before + sum(max(step, 0) for step in reach) + 1) * self.itemsize, np.uint8)
        items = memory.view(f"V{self.itemsize}")[before:]
        array = as_strided(items, self.shape, [stride * self.itemsize for stride in self.strides])
        result = function(array)
        if not np.may_share_memory(result, memory):
            return None
        moved = result.__array_interface__["data"][0] - array.__array_interface__["data"][0]
        strides = tuple(stride // self.itemsize for stride in result.strides)
        return View(self.at.at(moved), result.shape, strides, self.itemsize)

    def expanded(self, shape: Sequence[int]) -> View:
        """The view broadcast to a shape."""
        return self.must(lambda array: np.broadcast_to(array, tuple(shape)))

    def must(self, function: Callable[[Array], Array]) -> View:
        """`mapped` by a function that never copies."""
        view = self.mapped(function)
        assert view is not None
        return view


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous array."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def loops(
    shape: Sequence[int], *strides: Sequence[int], axes: int = AXES
) -> tuple[list[int], list[list[int]]] | None:
    """The shape and strides over as few axes as possible, filled up with axes of size 1 in front.

    Axes are merged where all arrays step through both at once. None if more than `axes` are left.
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        own = [stride[axis] for stride in strides]
        if sizes and all(step[-1] == size * stride for step, stride in zip(steps, own, strict=True)):
            sizes[-1] *= size
            for step, stride in zip(steps, own, strict=True):
                step[-1] = stride
            continue
        sizes.append(size)
        for step, stride in zip(steps, own, strict=True):
            step.append(stride)
    missing = axes - len(sizes)
    if missing < 0:
        return None
    return [1] * missing + sizes, [[0] * missing + step for step in steps]
