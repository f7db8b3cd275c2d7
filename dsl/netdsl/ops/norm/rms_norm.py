"""Normalisations that only scale: root mean square and Euclidean length."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Axes, BadExample, Example, Module, Op, bad, example, operator
from netdsl.ops.contract.rules import need_float, normal_axes
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.norm.norm import affine, check_affine, check_eps, gradient_over
from netdsl.ops.numerics.functions import widen
from netdsl.ops.numerics.moments import axis_set
from netdsl.types import TensorType, tensor


@operator("rms_norm", "x", "weight?")
@immutable
class RMSNorm(Op):
    """`x / sqrt(mean(x²) + eps) * weight`, with the mean over `over`.

    Args:
        over: The axes to normalise together; the last one by default.
        eps: Added to the mean square, above 0.

    Inputs: `x`, floats of any shape; `weight`, shaped as the axes `over` of `x` in order, 1 by
    default. f16 is computed in f32.

    Source: Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019; ONNX
    RMSNormalization.
    """

    category = "norm"

    over: Axes = (-1,)
    eps: float = 1e-6

    def shape(self, x: TensorType, weight: TensorType | None = None) -> TensorType:
        need_float(x)
        check_eps(self.eps)
        check_affine(x, normal_axes(self.over, x.rank), weight=weight)
        return x

    def forward(self, xp: Module, x: Array, weight: Array | None = None) -> Array:
        if x.size == 0:
            return x
        axes = normal_axes(self.over, x.ndim)
        wide = widen(xp, x)
        square = xp.mean(xp.square(wide), axis=axis_set(axes, x.ndim), keepdims=True)
        y = xp.asarray(wide / xp.sqrt(square + self.eps))
        return affine(xp, y, axes, weight, None).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value, weight: Value | None) -> tuple[Value | None, ...]:
        return gradient_over(normal_axes(self.over, x.rank), self.eps, dy, x, weight, centred=False)[:2]

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *normal_axes(self.over, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 8), draw(8))
        yield example(cls((1, 2)), draw(2, 3, 4), draw(3, 4))
        yield example(cls((0, -1), 0.1), draw(2, 3, 4), draw(2, 4))
        yield example(cls(()), draw(3, 4))
        yield example(cls((1,)), draw(2, 3, 4))
        yield example(cls(), draw(0, 4), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("floating-point", cls(), tensor("i32", 2, 3))
        yield bad("axis 3", cls((3,)), x)
        yield bad("`weight` of shape [4]", cls(), x, tensor("f32", 3))
        yield bad("one element type", cls(), x, tensor("f16", 4))
        yield bad("`eps` above 0", cls(eps=0.0), x)


@operator("l2_normalize", "x")
@immutable
class L2Normalize(Op):
    """`x / max(sqrt(sum(x²)), eps)`, with the sum over `over`: vectors of length 1.

    Args:
        over: The axes that form one vector; the last one by default.
        eps: The smallest length to divide by, above 0; a zero vector stays zero.

    Inputs: `x`, floats of any shape. f16 is computed in f32.

    Source: ONNX LpNormalization with `p=2`, extended to several axes.
    """

    category = "norm"

    over: Axes = (-1,)
    eps: float = 1e-12

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        check_eps(self.eps)
        normal_axes(self.over, x.rank)
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        axes = axis_set(normal_axes(self.over, x.ndim), x.ndim)
        wide = widen(xp, x)
        length = xp.sqrt(xp.sum(xp.square(wide), axis=axes, keepdims=True))
        return xp.asarray(wide / xp.maximum(length, length.dtype.type(self.eps))).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        axes, flow, wide = normal_axes(self.over, x.rank), dy.widened(), x.widened()
        length = (wide * wide).sum(axes, keepdims=True) ** 0.5
        long = length > self.eps  # a shorter vector is only divided by `eps`
        inverse = 1 / long.select(length, self.eps)
        direction = wide * long.select(inverse, 0)
        along = (flow * direction).sum(axes, keepdims=True)
        return ((flow - direction * along) * inverse).cast(x.dtype)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *normal_axes(self.over, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 8))
        yield example(cls((0, 2)), draw(2, 3, 4))
        yield example(cls((1,), 10.0), draw(2, 3, 4))
        yield example(cls(()), draw(3, 4))
        yield example(cls(), draw(0, 4))
        yield example(cls(), draw(4, 0))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 2, 3))
        yield bad("axis 3", cls((3,)), tensor("f32", 2, 3))
        yield bad("`eps` above 0", cls(eps=0.0), tensor("f32", 2, 3))
