"""Elementary functions of one tensor, element by element."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    draw,
    draw_bools,
    draw_ints,
    example,
    operator,
)
from netdsl.ops.contract.rules import LIMITS, need_number
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.kinds import Activation, Unary
from netdsl.ops.numerics import functions as numerics
from netdsl.types import DType, TensorType, tensor


@operator("exp", "x")
@dataclass(frozen=True)
class Exp(Unary):
    """`e` to the power `x`, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Exp`.
    """

    function = "exp"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * y


@operator("expm1", "x")
@dataclass(frozen=True)
class Expm1(Unary):
    """`exp(x) - 1`, elementwise, precise even for `x` near 0.

    Inputs: `x`, floats of any shape. Source: C's `expm1`.
    """

    function = "expm1"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (y + 1)


@operator("log", "x")
@dataclass(frozen=True)
class Log(Unary):
    """The natural logarithm, elementwise; `-inf` at 0, NaN below.

    Inputs: `x`, floats of any shape. Source: ONNX `Log`.
    """

    function = "log"
    domain = (0.01, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy / x


@operator("log1p", "x")
@dataclass(frozen=True)
class Log1p(Unary):
    """`log(1 + x)`, elementwise, precise even for `x` near 0.

    Inputs: `x`, floats of any shape. Source: C's `log1p`.
    """

    function = "log1p"
    domain = (-0.9, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy / (x + 1)


@operator("sqrt", "x")
@dataclass(frozen=True)
class Sqrt(Unary):
    """The square root, elementwise; NaN below 0.

    Inputs: `x`, floats of any shape. Source: ONNX `Sqrt`.
    """

    function = "sqrt"
    domain = (0.0, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * 0.5 / y


@operator("reciprocal", "x")
@dataclass(frozen=True)
class Reciprocal(Unary):
    """`1 / x`, elementwise.

    Inputs: `x`, floats of any shape; infinite at 0. Source: ONNX `Reciprocal`.
    """

    function = "reciprocal"
    domain = (0.1, 10.0)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return -dy * y * y


@operator("square", "x")
@dataclass(frozen=True)
class Square(Unary):
    """`x * x`, elementwise.

    Inputs: `x`, numbers of any shape; integers wrap around. Source: ONNX `Mul` of `x` with itself.
    """

    function = "square"
    takes = "number"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (x * 2)


@operator("abs", "x")
@dataclass(frozen=True)
class Abs(Unary):
    """The absolute value, elementwise.

    Inputs: `x`, numbers of any shape. Source: ONNX `Abs`.
    """

    function = "abs"
    takes = "number"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * x.apply(Sign())


@operator("sign", "x")
@dataclass(frozen=True)
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
        return sign if x.dtype.kind in "iu" else xp.asarray(xp.where(xp.isnan(x), x, sign))


@operator("sin", "x")
@dataclass(frozen=True)
class Sin(Unary):
    """The sine of `x` radians, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Sin`.
    """

    function = "sin"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * x.apply(Cos())


@operator("cos", "x")
@dataclass(frozen=True)
class Cos(Unary):
    """The cosine of `x` radians, elementwise.

    Inputs: `x`, floats of any shape. Source: ONNX `Cos`.
    """

    function = "cos"

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return -dy * x.apply(Sin())


@operator("floor", "x")
@dataclass(frozen=True)
class Floor(Unary):
    """The largest integer not above `x`, elementwise, as a float.

    Inputs: `x`, floats of any shape. Source: ONNX `Floor`.
    """

    function = "floor"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("ceil", "x")
@dataclass(frozen=True)
class Ceil(Unary):
    """The smallest integer not below `x`, elementwise, as a float.

    Inputs: `x`, floats of any shape. Source: ONNX `Ceil`.
    """

    function = "ceil"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("round", "x")
@dataclass(frozen=True)
class Round(Unary):
    """The nearest integer, elementwise, as a float; halves round to the even neighbour.

    Inputs: `x`, floats of any shape. Source: ONNX `Round`, IEEE 754 round-half-to-even.
    """

    function = "rint"
    no_gradient = "is a step function: its slope is 0 wherever it is defined"


@operator("is_nan", "x")
@dataclass(frozen=True)
class IsNan(Unary):
    """True where `x` is not a number.

    Inputs: `x`, floats of any shape. The result is `bool`. Source: ONNX `IsNaN`.
    """

    function = "isnan"
    result = DType.BOOL
    no_gradient = "returns booleans"


@operator("is_finite", "x")
@dataclass(frozen=True)
class IsFinite(Unary):
    """True where `x` is neither infinite nor NaN.

    Inputs: `x`, floats of any shape. The result is `bool`. Source: ONNX `IsInf` and `IsNaN`.
    """

    function = "isfinite"
    result = DType.BOOL
    no_gradient = "returns booleans"


@operator("erf", "x")
@dataclass(frozen=True)
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


@operator("clip", "x")
@dataclass(frozen=True)
class Clip(Op):
    """`min(max(x, low), high)`, elementwise; NaN stays NaN.

    Args:
        low: The lower bound; none by default.
        high: The upper bound; none by default.

    Inputs: `x`, numbers of any shape. For integers both bounds must be integers.

    Source: ONNX `Clip`.
    """

    category = "plain"

    low: float | None = None
    high: float | None = None

    def shape(self, x: TensorType) -> TensorType:
        need_number(x)
        for attribute in ("low", "high"):
            self._check_bound(attribute, x)
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise OpError(f"needs `low` below `high`, but got {self.low} and {self.high}", attribute="low")
        return x

    def _check_bound(self, attribute: str, x: TensorType) -> None:
        bound = getattr(self, attribute)
        if bound is None:
            return
        least, most = LIMITS[x.dtype]
        if not least <= bound <= most:
            raise OpError(
                f"got `{attribute}` {bound}, which {x.dtype} cannot represent: `x` is {x}",
                at=["x"],
                attribute=attribute,
                help=f"use a value from {least} to {most}, or omit `{attribute}`",
            )
        if x.dtype.is_int and bound != int(bound):
            raise OpError(
                f"needs integer bounds for {x.dtype}, but `{attribute}` is {bound}", attribute=attribute
            )

    def forward(self, xp: Module, x: Array) -> Array:
        if self.low is not None:
            x = xp.maximum(x, x.dtype.type(self.low))
        if self.high is not None:
            x = xp.minimum(x, x.dtype.type(self.high))
        return xp.asarray(x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        """1 from `low` to `high`, inclusive."""
        return dy * y.equals(x).cast(x.dtype)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(-0.5, 0.25), draw(3, 5))
        yield example(cls(low=0.0), draw(2, 3, 4))
        yield example(cls(high=0.5), draw())
        yield example(cls(), draw(4))
        yield example(cls(-2, 3), draw_ints(4, 5, low=-6, high=6))
        yield example(cls(-1.0, 1.0), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs numbers", cls(0.0), tensor("bool", 3))
        yield bad("2.0 and 1.0", cls(2.0, 1.0), tensor("f32", 3))
        yield bad("`low` -1000000000.0, which f16 cannot represent", cls(low=-1e9), tensor("f16", 3))
        yield bad("`high` 256", cls(high=256), tensor("u8", 3))
        yield bad("`low` is 0.5", cls(low=0.5), tensor("i64", 3))
        yield bad("`low` nan", cls(low=float("nan")), tensor("f32", 3))


@operator("cast", "x")
@dataclass(frozen=True)
class Cast(Op):
    """`x` in another element type.

    Floats are truncated when converted to integers (`-1.7` becomes `-1`); a value that the integer
    type cannot represent, NaN included, becomes an unspecified integer. Integers that do not fit
    wrap around. As `bool`, everything but 0 is true; true becomes 1 as a number.

    Args:
        dtype: The element type of the result.

    Inputs: `x`, of any type and shape. Source: ONNX `Cast`.
    """

    category = "plain"

    dtype: DType

    def shape(self, x: TensorType) -> TensorType:
        if not isinstance(self.dtype, DType):
            raise OpError(f"needs an element type, but got {self.dtype!r}", attribute="dtype")
        return x.with_dtype(self.dtype)

    def forward(self, xp: Module, x: Array) -> Array:
        return x.astype(self.dtype.numpy_name, copy=False)

    def gradient(self, dy: Value | None, y: Value, x: Value) -> Value | None:
        return dy.cast(x.dtype) if dy is not None and x.dtype.is_float else None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(DType.I64), draw(3, 5, low=-9, high=9))
        yield example(cls(DType.F32), draw(3, 5))
        yield example(cls(DType.F64), draw(3, 5))
        yield example(cls(DType.F16), draw(7))
        yield example(cls(DType.F32), draw_ints(2, 3, 4, low=-9, high=9))
        yield example(cls(DType.U8), draw_ints(4, 5, low=0, high=255))
        yield example(cls(DType.I8), draw_ints(4, 5, low=-128, high=127, dtype="i32"))
        yield example(cls(DType.BOOL), draw_ints(4, 5, low=-1, high=2))
        yield example(cls(DType.F32), draw_bools(4, 5))
        yield example(cls(DType.I32), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        as_text: Any = "f32"
        yield bad("'f32'", cls(as_text), tensor("f32", 3))
