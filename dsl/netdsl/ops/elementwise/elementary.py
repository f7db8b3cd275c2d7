"""Elementary functions of one tensor: exponentials, logarithms, powers, sines."""

from __future__ import annotations

from netdsl.immutable import immutable
from netdsl.ops.contract.base import operator
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.kinds import Unary


@operator("exp", "x")
@immutable
class Exp(Unary):
    """`e` to the power `x`, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Exp`.
    """

    function = "exp"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * y


@operator("expm1", "x")
@immutable
class Expm1(Unary):
    """`exp(x) - 1`, elementwise, precise even for `x` near 0.

    Inputs: `x`, floats of any shape. Source: C's `expm1`.
    """

    function = "expm1"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (y + 1)


@operator("log", "x")
@immutable
class Log(Unary):
    """The natural logarithm, elementwise; `-inf` at 0, NaN below.

    Inputs: `x`, floats of any shape. Source: ONNX `Log`.
    """

    function = "log"
    domain = (0.01, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy / x


@operator("log1p", "x")
@immutable
class Log1p(Unary):
    """`log(1 + x)`, elementwise, precise even for `x` near 0.

    Inputs: `x`, floats of any shape. Source: C's `log1p`.
    """

    function = "log1p"
    domain = (-0.9, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy / (x + 1)


@operator("sqrt", "x")
@immutable
class Sqrt(Unary):
    """The square root, elementwise; NaN below 0.

    Inputs: `x`, floats of any shape. Source: ONNX `Sqrt`.
    """

    function = "sqrt"
    domain = (0.0, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * 0.5 / y


@operator("reciprocal", "x")
@immutable
class Reciprocal(Unary):
    """`1 / x`, elementwise.

    Inputs: `x`, floats of any shape; infinite at 0. Source: ONNX `Reciprocal`.
    """

    function = "reciprocal"
    domain = (0.1, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return -dy * y * y


@operator("square", "x")
@immutable
class Square(Unary):
    """`x * x`, elementwise.

    Inputs: `x`, numbers of any shape; integers wrap around. Source: ONNX `Mul` of `x` with itself.
    """

    function = "square"
    takes = "number"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (x * 2)


@operator("sin", "x")
@immutable
class Sin(Unary):
    """The sine of `x` radians, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Sin`.
    """

    function = "sin"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * x.apply(Cos())


@operator("cos", "x")
@immutable
class Cos(Unary):
    """The cosine of `x` radians, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Cos`.
    """

    function = "cos"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return -dy * x.apply(Sin())
