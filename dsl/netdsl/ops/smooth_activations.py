"""Smooth activations: the sigmoid and tanh, and the gated units built on them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.ops import numerics
from netdsl.ops.base import Array, BadExample, Module, Op, OpError, bad, operator
from netdsl.ops.elementwise import Activation, Gated
from netdsl.types import tensor

if TYPE_CHECKING:
    from netdsl.ops.value import Value


@operator("sigmoid", "x")
@dataclass(frozen=True)
class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`, elementwise, precise in both tails.

    Inputs: `x`, floats of any shape.

    Source: ONNX `Sigmoid`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        return numerics.sigmoid(xp, x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (y * (1 - y))


@operator("tanh", "x")
@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent, elementwise.

    Inputs: `x`, floats of any shape.

    Source: ONNX `Tanh`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        return xp.tanh(x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (1 - y * y)


@operator("gelu", "x")
@dataclass(frozen=True)
class Gelu(Gated):
    """`x * Phi(x)`, elementwise, with `Phi` the distribution function of the standard normal.

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
                f"knows `approximate` none and tanh, and gets {self.approximate}", attribute="approximate"
            )

    def gate(self, xp: Module, x: Array) -> Array:
        if self.approximate == "none":
            return 0.5 + 0.5 * numerics.erf(xp, x * math.sqrt(0.5))
        near = xp.clip(x, -100.0, 100.0)  # tanh is 1 long before, and the cube cannot overflow
        inner = near * (math.sqrt(2 / math.pi) + math.sqrt(2 / math.pi) * 0.044715 * near * near)
        return 0.5 + 0.5 * xp.tanh(inner)

    @classmethod
    def variants(cls) -> Iterable[Op]:
        yield from (cls(), cls("tanh"))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("none and tanh, and gets erf", cls("erf"), tensor("f32", 3))


@operator("silu", "x")
@dataclass(frozen=True)
class Silu(Gated):
    """`x * sigmoid(x)`, elementwise; also called swish.

    Inputs: `x`, floats of any shape.

    Source: Elfwing et al. 2018; ONNX `Swish` with `alpha` 1.
    """

    def gate(self, xp: Module, x: Array) -> Array:
        return numerics.sigmoid(xp, x)


@operator("mish", "x")
@dataclass(frozen=True)
class Mish(Gated):
    """`x * tanh(log(1 + exp(x)))`, elementwise.

    Inputs: `x`, floats of any shape.

    Source: Misra 2019; ONNX `Mish`.
    """

    def gate(self, xp: Module, x: Array) -> Array:
        # tanh(log(1 + e)) is (e^2 + 2 e) / (e^2 + 2 e + 2), with e = exp(x) = rise / fall
        rise, fall = numerics.tails(xp, x)
        top = rise * (rise + 2 * fall)
        return top / (top + 2 * fall * fall)


@operator("softplus", "x")
@dataclass(frozen=True)
class Softplus(Activation):
    """`log(1 + exp(x))`, elementwise, without overflow.

    Inputs: `x`, floats of any shape.

    Source: Dugas et al. 2001; ONNX `Softplus`.
    """

    def apply(self, xp: Module, x: Array) -> Array:
        return numerics.softplus(xp, x)
