"""Smooth activations: the sigmoid and tanh, and the gated units built on them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Module, OpError, bad, operator
from netdsl.ops.elementwise.kinds import Activation, Gated
from netdsl.ops.numerics import functions as numerics
from netdsl.types import tensor


@operator("sigmoid", "x")
@immutable
class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`, elementwise, precise in both tails.

    Inputs: `x`, floats of any shape.

    Source: ONNX `Sigmoid`.
    """

    derivative_of_result = True

    def apply(self, xp: Module, x: Array) -> Array:
        return numerics.sigmoid(xp, x)

    def derivative(self, xp: Module, y: Array) -> Array:
        return y * (1 - y)

    def second_derivative(self, xp: Module, y: Array) -> Array:
        return 1 - 2 * y


@operator("tanh", "x")
@immutable
class Tanh(Activation):
    """The hyperbolic tangent, elementwise.

    Inputs: `x`, floats of any shape.

    Source: ONNX `Tanh`.
    """

    derivative_of_result = True

    def apply(self, xp: Module, x: Array) -> Array:
        return xp.tanh(x)

    def derivative(self, xp: Module, y: Array) -> Array:
        return 1 - y * y

    def second_derivative(self, xp: Module, y: Array) -> Array:
        return -2 * y


@operator("gelu", "x")
@immutable
class Gelu(Gated):
    """`x * Phi(x)`, elementwise, with `Phi` the cumulative distribution function of the standard normal.

    Args:
        approximate: "none" for `x / 2 * (1 + erf(x / sqrt(2)))`, "tanh" for
            `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ^ 3)))` as in GPT-2.

    Inputs: `x`, floats of any shape.

    Source: Hendrycks and Gimpel 2016; ONNX `Gelu`.
    """

    approximate: str = "none"

    def check(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise OpError(
                f"needs `approximate` to be none or tanh, but got {self.approximate}", attribute="approximate"
            )

    def gate(self, xp: Module, x: Array) -> Array:
        if self.approximate == "none":
            return 0.5 + 0.5 * numerics.erf(xp, x * math.sqrt(0.5))
        return 0.5 + 0.5 * xp.tanh(_gelu_argument(xp, x)[0])

    def derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -100.0, 100.0)
        if self.approximate == "none":
            return self.gate(xp, x) + x * _normal_density(xp, x)
        argument, rate, _ = _gelu_argument(xp, x)
        tanh = xp.tanh(argument)
        return 0.5 + 0.5 * (tanh + x * (1 - tanh * tanh) * rate)

    def second_derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -100.0, 100.0)
        if self.approximate == "none":
            return (2 - x * x) * _normal_density(xp, x)
        argument, rate, bend = _gelu_argument(xp, x)
        small = xp.exp(-2 * xp.abs(argument))
        slope = (
            4 * small / ((1 + small) * (1 + small))
        )  # 1 - tanh², which loses its digits where tanh is near 1
        return slope * (rate + x * (0.5 * bend - xp.tanh(argument) * rate * rate))

    @classmethod
    def variants(cls) -> Iterable[Self]:
        yield from (cls(), cls("tanh"))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("none or tanh, but got erf", cls("erf"), tensor("f32", 3))


@operator("silu", "x")
@immutable
class Silu(Gated):
    """`x * sigmoid(x)`, elementwise; also called swish.

    Inputs: `x`, floats of any shape.

    Source: Elfwing et al. 2018; ONNX `Swish` with `alpha` 1.
    """

    def gate(self, xp: Module, x: Array) -> Array:
        return numerics.sigmoid(xp, x)

    def derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -1e4, 1e4)  # outside, the slope is 0 or 1, and inf * 0 would be NaN
        gate = numerics.sigmoid(xp, x)
        return gate * (1 + x * (1 - gate))

    def second_derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -1e4, 1e4)
        gate = numerics.sigmoid(xp, x)
        return gate * (1 - gate) * (2 + x * (1 - 2 * gate))


@operator("mish", "x")
@immutable
class Mish(Gated):
    """`x * tanh(log(1 + exp(x)))`, elementwise.

    Inputs: `x`, floats of any shape.

    Source: Misra 2019; ONNX `Mish`.
    """

    def gate(self, xp: Module, x: Array) -> Array:
        return _mish_gate(xp, x)[0]

    def derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -1e4, 1e4)  # outside, the slope is 0 or 1, and inf * 0 would be NaN
        gate, rest, rate = _mish_gate(xp, x)
        return gate + x * (rest * (1 + gate) * rate)

    def second_derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -1e4, 1e4)
        gate, rest, rate = _mish_gate(xp, x)
        return rest * (1 + gate) * rate * (2 + x * (1 - rate - 2 * gate * rate))


@operator("softplus", "x")
@immutable
class Softplus(Activation):
    """`log(1 + exp(x))`, elementwise, without overflow.

    Inputs: `x`, floats of any shape.

    Source: Dugas et al. 2001; ONNX `Softplus`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        return numerics.softplus(xp, x)

    def derivative(self, xp: Module, x: Array) -> Array:
        return numerics.sigmoid(xp, x)

    def second_derivative(self, xp: Module, x: Array) -> Array:
        gate = numerics.sigmoid(xp, x)
        return gate * (1 - gate)


def _gelu_argument(xp: Module, x: Array) -> tuple[Array, Array, Array]:
    """The argument of the tanh in GPT-2's `gelu`, and its first and second derivatives."""
    x = xp.clip(x, -100.0, 100.0)  # outside, tanh is 1 or -1, and the cube could overflow
    scale = math.sqrt(2 / math.pi)
    square = (scale * 0.044715) * x * x
    return x * (scale + square), scale + 3 * square, (scale * 0.044715 * 6) * x


def _normal_density(xp: Module, x: Array) -> Array:
    return xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _mish_gate(xp: Module, x: Array) -> tuple[Array, Array, Array]:
    """`tanh(log(1 + exp(x)))`, 1 minus that, and the derivative of `log(1 + exp(x))`."""
    # tanh(log(1 + e)) is (e^2 + 2 e) / (e^2 + 2 e + 2), with e = exp(x) = rise / fall
    rise, fall = numerics.tails(xp, x)
    top, bottom = rise * (rise + 2 * fall), 2 * fall * fall
    return top / (top + bottom), bottom / (top + bottom), rise / (rise + fall)
