"""The identity, through which no gradient flows."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Example, Module, Op, example, operator
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.types import TensorType


@operator("stop_gradient", "x")
@immutable
class StopGradient(Op):
    """`x` itself, as a constant for training: no gradient flows back through it.

    For example, `x + stop_gradient(round(x) - x)` rounds, but passes gradients as if it did not.

    Inputs: `x`, of any type and shape. The result may share its memory.

    Source: `stop_gradient` of JAX and TensorFlow; PyTorch's `detach`.
    """

    category = "plain"

    def shape(self, x: TensorType) -> TensorType:
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        return x

    def gradient(self, dy: Value, y: Value, x: Value) -> None:
        return None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 4))
        yield example(cls(), draw_ints(3))
        yield example(cls(), draw_bools())
        yield example(cls(), draw(0, 4))
