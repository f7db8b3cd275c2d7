"""Arithmetic of two tensors, with broadcasting: sizes agree from the last axis backwards, or are 1."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Module, TypeMismatch, bad, operator
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.comparison import LogicalAnd
from netdsl.ops.elementwise.elementary import Log
from netdsl.ops.elementwise.kinds import Binary, Unary
from netdsl.ops.numerics.functions import where
from netdsl.types import DType, TensorType, tensor


@operator("add", "a", "b")
@immutable
class Add(Binary):
    """`a + b`, elementwise; integers wrap around.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Add`.
    """

    function = "add"

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return dy.sum_to(a.shape), dy.sum_to(b.shape)


@operator("subtract", "a", "b")
@immutable
class Subtract(Binary):
    """`a - b`, elementwise; integers wrap around.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Sub`.
    """

    function = "subtract"

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return dy.sum_to(a.shape), (-dy).sum_to(b.shape)


@operator("multiply", "a", "b")
@immutable
class Multiply(Binary):
    """`a * b`, elementwise; integers wrap around.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Mul`.
    """

    function = "multiply"

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return (dy * b).sum_to(a.shape), (dy * a).sum_to(b.shape)


@operator("divide", "a", "b")
@immutable
class Divide(Binary):
    """`a / b`, elementwise, of floats; for integers there is `floor_divide`.

    Inputs: `a` and `b`, floats of one element type, broadcast against each other.

    Source: ONNX `Div`.
    """

    function = "divide"
    takes = "float"
    right = (0.5, 3.0)

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        da = dy / b
        return da.sum_to(a.shape), (-da * y).sum_to(b.shape)


@operator("modulo", "a", "b")
@immutable
class Modulo(Binary):
    """`a - floor(a / b) * b`, elementwise: the remainder has the sign of the divisor, as in Python.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. An integer
    divisor must not be 0.

    Source: ONNX `Mod` with `fmod=0`.
    """

    function = "remainder"

    def forward(self, xp: Module, a: Array, b: Array) -> Array:
        if a.dtype.kind in "iu":
            return super().forward(xp, a, b)
        rest = xp.fmod(a, b)  # exact, unlike CuPy's `remainder`, which rounds
        return where(xp, _signs_differ(rest, b), rest + b, rest)

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return dy.sum_to(a.shape), (-dy * a.apply(FloorDivide(), b)).sum_to(b.shape)


@operator("floor_divide", "a", "b")
@immutable
class FloorDivide(Binary):
    """`floor(a / b)`, elementwise, consistent with `modulo`: `a = floor_divide * b + modulo`.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. An integer
    divisor must not be 0.

    Source: Python's `//`; ONNX `Div` of integers rounds towards 0 instead.
    """

    function = "floor_divide"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"

    def forward(self, xp: Module, a: Array, b: Array) -> Array:
        if a.dtype.kind in "iu":
            return super().forward(xp, a, b)
        rest = xp.fmod(a, b)  # `floor(a / b)` alone is off by one where the quotient rounds up
        whole = xp.rint((a - rest) / b)
        return where(xp, _signs_differ(rest, b), whole - 1, whole)


def _signs_differ(rest: Array, divisor: Array) -> Array:
    return (rest != 0) & ((rest < 0) != (divisor < 0))


@operator("power", "a", "b")
@immutable
class Power(Binary):
    """`a` to the power `b`, elementwise. A negative integer power is rounded towards 0: `2 ^ -1` is 0.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Pow`.
    """

    function = "power"

    def forward(self, xp: Module, a: Array, b: Array) -> Array:
        if a.dtype.kind != "i":
            return super().forward(xp, a, b)
        whole = xp.power(a, xp.abs(b))
        return where(xp, (b < 0) & (xp.abs(a) != 1), a.dtype.type(0), whole)

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        """0 for `a` where `b` is 0, and for `b` where `a` is 0 and `b` is not negative."""
        da = dy * (b * a ** (b.equals(0).select(1, b) - 1))
        flat = a.equals(0).apply(LogicalAnd(), b >= 0)
        db = flat.select(0, dy * y * a.apply(Log()))
        return da.sum_to(a.shape), db.sum_to(b.shape)


@operator("minimum", "a", "b")
@immutable
class Minimum(Binary):
    """The smaller of `a` and `b`, elementwise; NaN where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Min` of two inputs.
    """

    function = "minimum"

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return _shared(dy, a < b, a, b)


@operator("maximum", "a", "b")
@immutable
class Maximum(Binary):
    """The larger of `a` and `b`, elementwise; NaN where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other.

    Source: ONNX `Max` of two inputs.
    """

    function = "maximum"

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return _shared(dy, a > b, a, b)


def _shared(dy: Value, wins: Value, a: Value, b: Value) -> tuple[Value, Value]:
    """The gradients of `a`, where it wins, and of `b`; half to each at a tie."""
    da = dy * (wins.cast(dy.dtype) + 0.5 * a.equals(b).cast(dy.dtype))
    return da.sum_to(a.shape), (dy - da).sum_to(b.shape)


@operator("negate", "x")
@immutable
class Negate(Unary):
    """`-x`, elementwise, of signed numbers.

    Inputs: `x`, floats or signed integers of any shape.

    Source: ONNX `Neg`.
    """

    function = "negative"
    takes = "number"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return -dy

    def shape(self, x: TensorType) -> TensorType:
        if x.dtype is DType.U8:
            raise TypeMismatch(
                f"needs signed numbers, but `x` is {x}", at=["x"], help="convert it first: `cast(i32)`"
            )
        return super().shape(x)

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("needs signed numbers", cls(), tensor("u8", 3))
