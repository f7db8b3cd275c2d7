"""Absolute value, sign, rounding, and tests for NaN and infinity."""

from __future__ import annotations

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Module, operator
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.kinds import Unary
from netdsl.ops.numerics.functions import where
from netdsl.types import DType


@operator("abs", "x")
@immutable
class Abs(Unary):
    """The absolute value, elementwise.

    Inputs: `x`, numbers of any shape. Source: ONNX `Abs`.
    """

    function = "abs"
    takes = "number"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * x.apply(Sign())


@operator("sign", "x")
@immutable
class Sign(Unary):
    """-1 below 0, 0 at 0, 1 above 0, elementwise; NaN stays NaN.

    Inputs: `x`, numbers of any shape. Source: ONNX `Sign`.
    """

    function = "sign"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"
    takes = "number"

    def forward(self, xp: Module, x: Array) -> Array:
        sign = super().forward(xp, x)
        # CuPy returns 0 for NaN
        return sign if x.dtype.kind in "iu" else where(xp, xp.isnan(x), x, sign)


@operator("floor", "x")
@immutable
class Floor(Unary):
    """The largest integer not above `x`, elementwise, as a float.

    Inputs: `x`, floats of any shape. Source: ONNX `Floor`.
    """

    function = "floor"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("ceil", "x")
@immutable
class Ceil(Unary):
    """The smallest integer not below `x`, elementwise, as a float.

    Inputs: `x`, floats of any shape. Source: ONNX `Ceil`.
    """

    function = "ceil"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("round", "x")
@immutable
class Round(Unary):
    """The nearest integer, elementwise, as a float; halves round to the even neighbour.

    Inputs: `x`, floats of any shape. Source: ONNX `Round`, IEEE 754 round-half-to-even.
    """

    function = "rint"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("is_nan", "x")
@immutable
class IsNan(Unary):
    """True where `x` is not a number.

    Inputs: `x`, floats of any shape. The result is `bool`. Source: ONNX `IsNaN`.
    """

    function = "isnan"
    result = DType.BOOL
    no_gradient = "returns booleans"


@operator("is_finite", "x")
@immutable
class IsFinite(Unary):
    """True where `x` is neither infinite nor NaN.

    Inputs: `x`, floats of any shape. The result is `bool`. Source: ONNX `IsInf` and `IsNaN`.
    """

    function = "isfinite"
    result = DType.BOOL
    no_gradient = "returns booleans"
