"""The variance of numbers over any axes."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_float, normal_axes
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.moments import centred
from netdsl.ops.reduce.reduce import Mean, Reduction
from netdsl.types import TensorType, tensor


@operator("variance", "x")
@immutable
class Variance(Reduction):
    """`sum((x - mean)²) / (n - correction)` over the axes `over`, in two passes.

    Args:
        over: The axes to reduce; an empty list means all.
        keepdims: Whether reduced axes stay, with size 1.
        correction: 0 for the variance of the elements, 1 for an unbiased estimate of the variance of
            their population (Bessel's correction).

    Inputs: `x`, floats of any shape, with more than `correction` elements along `over`. f16 is computed
    in f32.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983.
    """

    correction: int = 0

    @property
    def _least(self) -> int:
        return self.correction + 1

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        if self.correction < 0:
            raise OpError(
                f"needs `correction` of at least 0, but got {self.correction}", attribute="correction"
            )
        return self._fold(x)

    def forward(self, xp: Module, x: Array) -> Array:
        axes = self._axes(x)
        squares = xp.sum(xp.square(centred(xp, x, axes)), axis=axes, keepdims=self.keepdims)
        return xp.asarray(squares / (self._count(x) - self.correction)).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        axes, flow, wide = normal_axes(self.over, x.rank), self._unfold(dy, x).widened(), x.widened()
        centred = wide - wide.apply(Mean(axes, keepdims=True))
        return (centred * (2 * flow / (wide.count(axes) - self.correction))).cast(x.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls((1,), correction=1), draw(3, 4))
        yield example(cls((0, 2), True, 2), draw(2, 3, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("at least 2 elements, but got 1", cls((1,), correction=1), tensor("f32", 3, 1))
        yield bad("at least 0, but got -1", cls(correction=-1), tensor("f32", 3))
        yield bad("floating-point", cls(), tensor("i64", 3))
