"""The base of all optimizers: weight decay, element types, and the loop over a weight in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array
from netdsl.recipes.optimizers import OptimizerRecipe
from netruntime.train.update.array_blocks import blocks, compute_type, fit_scratch, scratch

MASTER = "master"
"""The slot of a 16-bit weight for its value in f32."""


class WeightBlock(NamedTuple):
    """A part of a weight at one update: `w` and `slots` are changed, `g` is the gradient.

    `a` and `b` are for intermediate values; `step` counts from 1; `lr` is the rate of this update.
    """

    xp: ModuleType
    w: Array
    g: Array
    slots: Sequence[Array]
    a: Array
    b: Array
    step: int
    lr: float


@immutable(kw_only=True)
class Optimizer(OptimizerRecipe, ABC):
    """A rule that changes weights by their gradients.

    Raises:
        RecipeError: E1080 for a value out of its range.
    """

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The arrays it keeps for each weight, of the weight's shape; they start at zero."""

    def init(self, xp: ModuleType, weight: Array) -> dict[str, Array]:
        """The initial slots of a weight.

        They are f64 for an f64 weight, else f32. A 16-bit weight has one more, its value in f32: updates
        are made there and rounded to the weight, because most are smaller than its last bit.
        """
        dtype = compute_type(xp, weight)
        # `zeros` takes no memory before it is written, and looks free until then
        state = {slot: xp.full(weight.shape, 0, dtype) for slot in self.slots}
        if weight.dtype.itemsize == 2:
            state[MASTER] = weight.astype(dtype)
        return state

    def slot_bytes(self, xp: ModuleType, weight: Array) -> int:
        """The size of what `init` makes."""
        count = len(self.slots) + int(weight.dtype.itemsize == 2)
        itemsize: int = np.dtype(compute_type(xp, weight)).itemsize
        return int(weight.size) * itemsize * count

    def update_weight(
        self,
        xp: ModuleType,
        weight: Array,
        grad: Array,
        state: Mapping[str, Array],
        *,
        step: int,
        lr: float,
        decay: float,
    ) -> None:
        """Update a weight and its slots in place; the gradient is only read.

        Args:
            xp: The array module.
            weight: A floating-point array of any shape.
            grad: The gradient, of the same shape.
            state: The slots from `init`.
            step: The number of this update; the first is 1.
            lr: The learning rate of this update for this weight.
            decay: The weight's λ, which overrides `weight_decay`.
        """
        if step < 1:
            raise ValueError(f"`step` must be 1 or more, but is {step}")
        target = state.get(MASTER, weight)
        with np.errstate(all="ignore"):
            slots = [state[slot] for slot in self.slots]
            self.update_in_blocks(xp, target, grad, slots, step=step, lr=lr, decay=decay)
            if target is not weight:
                weight[...] = target

    def update_in_blocks(
        self,
        xp: ModuleType,
        weight: Array,
        grad: Array,
        slots: Sequence[Array],
        *,
        step: int,
        lr: float,
        decay: float,
    ) -> None:
        """`update_weight`, block by block; `weight` and the slots have the computing type."""
        buffers = scratch(xp, weight, 3)
        for w, g, *slot_blocks in blocks(xp, weight, grad, *slots):
            decayed, a, b = (fit_scratch(buffer, w) for buffer in buffers)
            if decay and self.decoupled:
                w *= 1 - lr * decay
            elif decay:
                xp.multiply(w, decay, out=decayed)
                decayed += g
                g = decayed
            self.update_block(WeightBlock(xp, w, g.astype(w.dtype, copy=False), slot_blocks, a, b, step, lr))

    @abstractmethod
    def update_block(self, at: WeightBlock) -> None:
        """Apply the rule to one block: its weights and slots, in place."""


def blend(xp: ModuleType, average: Array, value: Array, beta: float, scratch: Array) -> None:
    """`average = beta average + (1 - beta) value`, in place."""
    average *= beta
    xp.multiply(value, 1 - beta, out=scratch)
    average += scratch


def blend_square(xp: ModuleType, average: Array, value: Array, beta: float, scratch: Array) -> None:
    """`average = beta average + (1 - beta) value²`, in place."""
    average *= beta
    xp.multiply(value, value, out=scratch)
    scratch *= 1 - beta
    average += scratch


def subtract_scaled(xp: ModuleType, w: Array, value: Array, scale: float | Array, scratch: Array) -> None:
    """`w -= scale value`, in place; `value` may be the scratch itself."""
    xp.multiply(value, scale, out=scratch)
    w -= scratch
