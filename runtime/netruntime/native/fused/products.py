"""Products with what follows them in one operator: a residual is added, then an activation applied.

Only the passes of the native engine make them; their `forward` says what they mean.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Category, Module, Op
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.kinds import Activation
from netdsl.ops.linear.linear import Linear
from netdsl.types import TensorType


@immutable
class Fused(Op):
    """`activation(product(x, weight, bias) + residual)`, each of the two left out where there is none."""

    name = "fused"
    inputs = ("x", "weight", "bias?", "residual?")
    category: ClassVar[Category] = "product"

    product: Conv | Linear
    activation: Activation | None = None

    def shape(self, x: TensorType, weight: TensorType, *others: TensorType | None) -> TensorType:
        return self.product.shape(x, weight, others[0] if others else None)

    def forward(
        self, xp: Module, x: Array, weight: Array, bias: Array | None = None, residual: Array | None = None
    ) -> Any:
        y = self.product.forward(xp, x, weight, bias)
        y = y if residual is None else y + residual
        return y if self.activation is None else self.activation.forward(xp, y)

    @property
    def parts(self) -> str:
        """The operators in the order in which they run, for a listing."""
        return " + ".join([self.product.name, *([self.activation.name] if self.activation else [])])
