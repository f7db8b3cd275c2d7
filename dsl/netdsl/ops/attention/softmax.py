"""Softmax and its logarithm, over any axes and over kept positions only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.immutable import immutable
from netdsl.ops.attention.softmax_gradient import LogSoftmaxGradient, SoftmaxGradient
from netdsl.ops.contract.base import Array, Axes, BadExample, Example, Module, Op, bad, example, operator
from netdsl.ops.contract.rules import need_float, need_mask, normal_axes
from netdsl.ops.contract.samples import draw, draw_bools
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import widen
from netdsl.types import TensorType, tensor


def normalised_weights(xp: Module, x: Array, axes: Sequence[int]) -> Array:
    """`exp(x) / sum(exp(x))` over `axes`, in f32 at least; all 0 if all of `x` is `-inf`."""
    weights = xp.asarray(xp.exp(_shifted(xp, x, axes)))
    total = xp.sum(weights, axis=tuple(axes), keepdims=True)
    weights /= xp.where(total == 0, total.dtype.type(1), total)
    return weights


def _shifted(xp: Module, x: Array, axes: Sequence[int]) -> Array:
    """`x` minus its maximum over `axes`, so that `exp` cannot overflow."""
    x = widen(xp, x)
    if x.size == 0:
        return x
    top = xp.max(x, axis=tuple(axes), keepdims=True)
    return xp.asarray(x - xp.where(xp.isfinite(top), top, x.dtype.type(0)))


def _masked(xp: Module, x: Array, where: Array | None) -> Array:
    return x if where is None else xp.where(where, x, x.dtype.type(-xp.inf))


@immutable
class _Normalisation(Op):
    """Base of softmax and its logarithm: the axes, the keep-mask and their checks."""

    over: Axes = (-1,)

    def shape(self, x: TensorType, where: TensorType | None = None) -> TensorType:
        need_float(x)
        normal_axes(self.over, x.rank)
        if where is not None:
            need_mask(x, where)
        return x

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 5))
        yield example(cls((1,)), draw(2, 3, 4, low=-50, high=50))
        yield example(cls((1, 2)), draw(2, 3, 4))
        yield example(cls(), draw(2, 3, 4), draw_bools(2, 1, 4))
        yield example(cls(), draw(0, 4))
        yield example(cls(), draw(4, 0))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 3))
        yield bad("axis 2", cls((2,)), tensor("f32", 3, 4))
        yield bad("true or false", cls(), tensor("f32", 3), tensor("f32", 3))
        yield bad("`where`", cls(), tensor("f32", 3), tensor("bool", 2, 3))


@operator("softmax", "x", "where?")
@immutable
class Softmax(_Normalisation):
    """`exp(x) / sum(exp(x))` over the axes `over`, shifted by the maximum so that it cannot overflow.

    Args:
        over: The axes to normalise together; the last one by default.

    Inputs: `x`, floats of any shape; `where`, a keep-mask that broadcasts to `x`: positions that are
    false have weight 0, and a row without any kept position is all 0 (never NaN).

    Source: Bridle 1990; masking as in Vaswani et al. 2017, section 3.2.3.
    """

    category = "attention"

    def forward(self, xp: Module, x: Array, where: Array | None = None) -> Array:
        axes = normal_axes(self.over, x.ndim)
        return normalised_weights(xp, _masked(xp, x, where), axes).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value, where: Value | None) -> tuple[Value, None]:
        return _kept(dy, where).apply(SoftmaxGradient(self.over), y), None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(elementwise_map(xs, y).inputs, frozenset(normal_axes(self.over, y.rank)))


@operator("log_softmax", "x", "where?")
@immutable
class LogSoftmax(_Normalisation):
    """`x - log(sum(exp(x)))` over the axes `over`: the logarithm of `softmax`, precise for small weights.

    Args:
        over: The axes to normalise together; the last one by default.

    Inputs: `x`, floats of any shape; `where`, a keep-mask that broadcasts to `x`: positions that are
    false are `-inf`, and a row without any kept position is all `-inf` (never NaN).

    Source: Bridle 1990; ONNX `LogSoftmax`.
    """

    category = "attention"

    def forward(self, xp: Module, x: Array, where: Array | None = None) -> Array:
        axes = normal_axes(self.over, x.ndim)
        shifted = _shifted(xp, _masked(xp, x, where), axes)
        total = xp.sum(xp.exp(shifted), axis=axes, keepdims=True)
        shifted -= xp.log(xp.where(total == 0, total.dtype.type(1), total))
        return shifted.astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value, where: Value | None) -> tuple[Value, None]:
        return _kept(dy, where).apply(LogSoftmaxGradient(self.over), y), None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(elementwise_map(xs, y).inputs, frozenset(normal_axes(self.over, y.rank)))


def _kept(dy: Value, where: Value | None) -> Value:
    """`dy` where positions are kept; the others are constants."""
    return dy if where is None else where.select(dy, 0)
