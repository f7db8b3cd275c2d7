"""Gradients that are one operator in place of several."""

from __future__ import annotations

from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Category, Module, Op
from netdsl.types import TensorType


@immutable
class ReluGradient(Op):
    """`dy` where `y`, the result of `relu`, is above 0, else `dy * 0`."""

    name = "relu_gradient"
    inputs = ("dy", "y")
    category: ClassVar[Category] = "plain"

    def shape(self, dy: TensorType, y: TensorType) -> TensorType:
        return y

    def forward(self, xp: Module, dy: Array, y: Array) -> Array:
        return dy * (y > 0).astype(y.dtype)
