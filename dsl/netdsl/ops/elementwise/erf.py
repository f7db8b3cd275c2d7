"""The error function."""

from __future__ import annotations

import math

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Module, operator
from netdsl.ops.elementwise.kinds import Activation
from netdsl.ops.numerics import functions as numerics


@operator("erf", "x")
@immutable
class Erf(Activation):
    """The error function `2 / sqrt(pi)` times the integral of `exp(-t * t)` from 0 to `x`.

    Inputs: `x`, floats of any shape. Accurate to a few units in the last place.

    Source: ONNX `Erf`; Cody 1969 for f64.
    """

    category = "plain"

    def apply(self, xp: Module, x: Array) -> Array:
        return numerics.erf(xp, x)

    def derivative(self, xp: Module, x: Array) -> Array:
        x = xp.clip(x, -100.0, 100.0)
        return xp.exp(-x * x) * (2 / math.sqrt(math.pi))

    def second_derivative(self, xp: Module, x: Array) -> Array:
        return -2 * xp.clip(x, -100.0, 100.0) * self.derivative(xp, x)
