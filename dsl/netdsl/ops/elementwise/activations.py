"""Activations with kinks: the ReLU family, the exponential units and the hard approximations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_float, need_rank, same_dtype
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.kinds import Activation, Gated
from netdsl.types import TensorType, tensor


def _need_positive(value: float, attribute: str) -> None:
    if not value > 0:
        raise OpError(f"needs `{attribute}` above 0, but got {value}", attribute=attribute)


def _sloped(xp: Module, x: Array, slope: Array | float) -> Array:
    """`x` above 0 and `slope * x` below."""
    zero = x.dtype.type(0)
    return xp.maximum(x, zero) + xp.minimum(x, zero) * slope


def _exponential_unit(xp: Module, x: Array, alpha: float, width: float) -> Array:
    """`x` above 0 and `alpha * (exp(x / width) - 1)` below."""
    below = xp.clip(x, -100.0 * width, 0.0)  # below, it is -alpha, and dividing could overflow
    return xp.maximum(x, x.dtype.type(0)) + xp.expm1(below / width) * alpha


def _exponential_derivative(xp: Module, x: Array, alpha: float, width: float) -> Array:
    """The derivative of `_exponential_unit`: 1 above 0 and `alpha / width * exp(x / width)` from 0 down."""
    below = xp.exp(xp.clip(x, -100.0 * width, 0.0) / width) * (alpha / width)
    return below + (x > 0) * x.dtype.type(1 - alpha / width)


def _exponential_second(xp: Module, x: Array, alpha: float, width: float) -> Array:
    below = xp.exp(xp.clip(x, -100.0 * width, 0.0) / width) * (alpha / width / width)
    return below * (x <= 0)


@operator("relu", "x")
@immutable
class Relu(Activation):
    """`max(x, 0)`, elementwise; NaN stays NaN.

    Inputs: `x`, floats of any shape.

    Source: Nair and Hinton 2010; ONNX `Relu`.
    """

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(xp.maximum(x, x.dtype.type(0)))

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (y > 0).cast(y.dtype)


@operator("leaky_relu", "x")
@immutable
class LeakyRelu(Activation):
    """`x` above 0 and `slope * x` below, elementwise.

    Args:
        slope: The factor for negative values.

    Inputs: `x`, floats of any shape.

    Source: Maas et al. 2013; ONNX `LeakyRelu`.
    """

    slope: float = 0.01

    def apply(self, xp: Module, x: Array) -> Array:
        return _sloped(xp, x, self.slope)

    def derivative(self, xp: Module, x: Array) -> Array:
        return (x > 0) * x.dtype.type(1 - self.slope) + x.dtype.type(self.slope)

    @classmethod
    def variants(cls) -> Iterable[Self]:
        yield from (cls(), cls(0.25), cls(-1.5))


@operator("prelu", "x", "slope")
@immutable
class PRelu(Op):
    """`x` above 0 and `slope * x` below, with a learnt slope per channel.

    Inputs: `x`, floats `[B, C, ...]`; `slope`, of the same element type, `[C]` or `[1]`.

    Source: He et al. 2015; ONNX `PRelu`, whose slope broadcasts from the last axis instead.
    """

    category = "activation"

    def shape(self, x: TensorType, slope: TensorType) -> TensorType:
        need_float(x)
        same_dtype(x, slope, ("x", "slope"))
        need_rank(x, 2, layout="[B, C, ...]")
        if slope.rank != 1:
            raise OpError(f"needs a slope per channel, `[C]`, but `slope` is {slope}", at=["slope"])
        if slope.shape[0] not in (x.shape[1], 1):
            raise OpError(
                f"got {slope.shape[0]} slopes for {x.shape[1]} channels",
                at=[("x", 1), ("slope", 0)],
                help="use one slope per channel, or a single one",
            )
        return x

    def forward(self, xp: Module, x: Array, slope: Array) -> Array:
        return _sloped(xp, x, slope.reshape(-1, *[1] * (x.ndim - 2)))

    def gradient(self, dy: Value, y: Value, x: Value, slope: Value) -> tuple[Value, Value]:
        above = (x > 0).cast(x.dtype)
        below, slopes = 1 - above, slope.reshape([slope.shape[0], *[1] * (x.rank - 2)])
        dslope = (dy * x * below).sum_to(slopes.shape).reshape(slope.shape)
        return dy * (above + below * slopes), dslope

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(4, 3), draw(3))
        yield example(cls(), draw(2, 3, 4, 5), draw(3))
        yield example(cls(), draw(2, 3, 4), draw(1))
        yield example(cls(), draw(0, 3, 4), draw(3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("floating-point", cls(), tensor("i32", 2, 3), tensor("i32", 3))
        yield bad("f32 and f64", cls(), x, tensor("f64", 3))
        yield bad("[B, C, ...]", cls(), tensor("f32", 3), tensor("f32", 3))
        yield bad("slope per channel", cls(), x, tensor("f32", 3, 1))
        yield bad("4 slopes for 3 channels", cls(), x, tensor("f32", 4))


@operator("elu", "x")
@immutable
class Elu(Activation):
    """`x` above 0 and `alpha * (exp(x) - 1)` below, elementwise.

    Args:
        alpha: The negative of the limit for large negative inputs.

    Inputs: `x`, floats of any shape.

    Source: Clevert et al. 2016; ONNX `Elu`.
    """

    alpha: float = 1.0

    def apply(self, xp: Module, x: Array) -> Array:
        return _exponential_unit(xp, x, self.alpha, 1.0)

    def derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_derivative(xp, x, self.alpha, 1.0)

    def second_derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_second(xp, x, self.alpha, 1.0)

    @classmethod
    def variants(cls) -> Iterable[Self]:
        yield from (cls(), cls(2.5), cls(-0.5))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@operator("selu", "x")
@immutable
class Selu(Activation):
    """`scale * x` above 0 and `scale * alpha * (exp(x) - 1)` below, elementwise.

    `scale` is 1.0507 and `alpha` 1.6733, which keep mean 0 and variance 1 from layer to layer.

    Inputs: `x`, floats of any shape.

    Source: Klambauer et al. 2017, with the constants of its appendix; ONNX `Selu`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        return _exponential_unit(xp, x, _SELU_ALPHA, 1.0) * _SELU_SCALE

    def derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_derivative(xp, x, _SELU_ALPHA, 1.0) * _SELU_SCALE

    def second_derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_second(xp, x, _SELU_ALPHA, 1.0) * _SELU_SCALE


@operator("celu", "x")
@immutable
class Celu(Activation):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`, elementwise: `elu` with a smooth slope at 0.

    Args:
        alpha: The negative of the limit for large negative inputs; above 0.

    Inputs: `x`, floats of any shape.

    Source: Barron 2017; ONNX `Celu`.
    """

    alpha: float = 1.0

    def check(self) -> None:
        _need_positive(self.alpha, "alpha")

    def apply(self, xp: Module, x: Array) -> Array:
        return _exponential_unit(xp, x, self.alpha, self.alpha)

    def derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_derivative(xp, x, self.alpha, self.alpha)

    def second_derivative(self, xp: Module, x: Array) -> Array:
        return _exponential_second(xp, x, self.alpha, self.alpha)

    @classmethod
    def variants(cls) -> Iterable[Self]:
        yield from (cls(), cls(2.5), cls(0.125))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("`alpha` above 0, but got 0.0", cls(0.0), tensor("f32", 3))


@operator("hard_sigmoid", "x")
@immutable
class HardSigmoid(Activation):
    """`alpha * x + beta`, clipped to between 0 and 1, elementwise.

    Args:
        alpha: The slope; 1/6 as in MobileNetV3.
        beta: The value at 0.

    Inputs: `x`, floats of any shape.

    Source: Howard et al. 2019; ONNX `HardSigmoid`, whose default slope is 0.2.
    """

    alpha: float = 1 / 6
    beta: float = 0.5

    def apply(self, xp: Module, x: Array) -> Array:
        return xp.clip(x * self.alpha + self.beta, 0.0, 1.0)

    def derivative(self, xp: Module, x: Array) -> Array:
        line = x * self.alpha + self.beta
        return ((line > 0) & (line < 1)) * x.dtype.type(self.alpha)

    @classmethod
    def variants(cls) -> Iterable[Self]:
        yield from (cls(), cls(0.25), cls(beta=0.25), cls(-0.5, 0.75))


@operator("hard_swish", "x")
@immutable
class HardSwish(Gated):
    """`x * min(max(x + 3, 0), 6) / 6`, elementwise.

    Inputs: `x`, floats of any shape.

    Source: Howard et al. 2019; ONNX `HardSwish`.
    """

    def gate(self, xp: Module, x: Array) -> Array:
        return xp.clip(x / 6 + 0.5, 0.0, 1.0)

    def derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -3.0, 3.0)
        return (xp.abs(x) < 3) * (x / 3 + 0.5) + (x >= 3)  # at the kinks, the outer slope

    def second_derivative(self, xp: Module, x: Array) -> Array:
        return (xp.abs(x) < 3) * x.dtype.type(1 / 3)


@operator("softsign", "x")
@immutable
class Softsign(Activation):
    """`x / (1 + abs(x))`, elementwise.

    Inputs: `x`, floats of any shape.

    Source: Turian et al. 2009; ONNX `Softsign`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -1e30, 1e30)  # the result is already 1, and inf / inf would be NaN
        return x / (1 + xp.abs(x))

    def derivative(self, xp: Module, x: Array) -> Array:
        return 1 / xp.square(1 + xp.abs(xp.clip(x, -1e15, 1e15)))

    def second_derivative(self, xp: Module, x: Array) -> Array:
        rest = 1 / (1 + xp.abs(xp.clip(x, -1e10, 1e10)))
        return -2 * xp.sign(x) * rest * rest * rest
