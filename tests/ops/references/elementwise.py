"""Elementwise operators by onnxruntime: one node each, or a short composition of nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise import (
    activations,
    arithmetic,
    comparison,
    elementary,
    rounding,
    smooth_activations,
)
from netdsl.ops.elementwise.cast import Cast
from netdsl.ops.elementwise.clip import Clip
from netdsl.ops.elementwise.erf import Erf
from netdsl.ops.elementwise.stop_gradient import StopGradient
from ops.harness import as_tensor_proto, reference, run_onnx

SINGLE_NODES: dict[type[Op], str] = {
    arithmetic.Add: "Add",
    arithmetic.Subtract: "Sub",
    arithmetic.Multiply: "Mul",
    arithmetic.Divide: "Div",
    arithmetic.Power: "Pow",
    arithmetic.Negate: "Neg",
    arithmetic.Minimum: "Min",
    arithmetic.Maximum: "Max",
    comparison.Equal: "Equal",
    comparison.Less: "Less",
    comparison.LessEqual: "LessOrEqual",
    comparison.Greater: "Greater",
    comparison.GreaterEqual: "GreaterOrEqual",
    comparison.LogicalAnd: "And",
    comparison.LogicalOr: "Or",
    comparison.LogicalXor: "Xor",
    comparison.LogicalNot: "Not",
    comparison.Where: "Where",
    elementary.Exp: "Exp",
    elementary.Log: "Log",
    elementary.Sqrt: "Sqrt",
    elementary.Reciprocal: "Reciprocal",
    rounding.Abs: "Abs",
    rounding.Sign: "Sign",
    elementary.Sin: "Sin",
    elementary.Cos: "Cos",
    rounding.Floor: "Floor",
    rounding.Ceil: "Ceil",
    rounding.Round: "Round",
    rounding.IsNan: "IsNaN",
    activations.Relu: "Relu",
    smooth_activations.Sigmoid: "Sigmoid",
    smooth_activations.Tanh: "Tanh",
    smooth_activations.Mish: "Mish",
    smooth_activations.Softplus: "Softplus",
    StopGradient: "Identity",
}


def _register(op_class: type[Op], node: str) -> None:
    reference(op_class)(lambda op, *arrays: run_onnx(node, *one_type(*arrays), opset=22))


def one_type(*arrays: Any) -> tuple[Any, ...]:
    """Integers of two widths made one, as ONNX wants them."""
    if len({a.dtype for a in arrays}) == 1 or any(a.dtype.kind != "i" for a in arrays):
        return arrays
    return tuple(run_onnx("Cast", a, to=as_tensor_proto("INT64")) for a in arrays)


for _op_class, _node in SINGLE_NODES.items():
    _register(_op_class, _node)


def _constant(value: float, like: Any) -> Any:
    return np.asarray(value, dtype=like.dtype)


@reference(arithmetic.Modulo)
def modulo(op: arithmetic.Modulo, a: Any, b: Any) -> Any:
    if a.dtype.kind == "i":
        return run_onnx("Mod", a, b, fmod=0)
    rest = run_onnx("Mod", a, b, fmod=1)
    return run_onnx("Where", _other_sign(rest, b), run_onnx("Add", rest, b), rest)


@reference(arithmetic.FloorDivide)
def floor_divide(op: arithmetic.FloorDivide, a: Any, b: Any) -> Any:
    exact = run_onnx("Sub", a, modulo(arithmetic.Modulo(), a, b))
    quotient = run_onnx("Div", exact, b)
    return quotient if a.dtype.kind == "i" else run_onnx("Round", quotient)


def _other_sign(rest: Any, divisor: Any) -> Any:
    signs = run_onnx("Mul", run_onnx("Sign", rest), run_onnx("Sign", divisor))
    return run_onnx("Less", signs, _constant(0, signs))


@reference(comparison.NotEqual)
def not_equal(op: comparison.NotEqual, a: Any, b: Any) -> Any:
    return run_onnx("Not", run_onnx("Equal", *one_type(a, b)))


@reference(elementary.Expm1)
def expm1(op: elementary.Expm1, x: Any) -> Any:
    return run_onnx("Sub", run_onnx("Exp", x), _constant(1, x))


@reference(elementary.Log1p)
def log1p(op: elementary.Log1p, x: Any) -> Any:
    return run_onnx("Log", run_onnx("Add", x, _constant(1, x)))


@reference(elementary.Square)
def square(op: elementary.Square, x: Any) -> Any:
    return run_onnx("Mul", x, x)


@reference(rounding.IsFinite)
def is_finite(op: rounding.IsFinite, x: Any) -> Any:
    return run_onnx("Not", run_onnx("Or", run_onnx("IsInf", x), run_onnx("IsNaN", x)))


@reference(Erf)
def erf(op: Erf, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Erf", x)
    # onnxruntime has no erf for f64, and onnx's reference rounds it to f32: the C library's instead
    return np.vectorize(math.erf, otypes=[np.float64])(x)


@reference(Clip)
def clip(op: Clip, x: Any) -> Any:
    bounds = [None if bound is None else _constant(bound, x) for bound in (op.low, op.high)]
    return run_onnx("Clip", x, *bounds)


@reference(Cast)
def cast(op: Cast, x: Any) -> Any:
    to = {"f16": 10, "f32": 1, "f64": 11, "i8": 3, "u8": 2, "i32": 6, "i64": 7, "bool": 9}
    return run_onnx("Cast", x, to=to[op.dtype.value])


# ONNX holds float attributes in f32. In f64 the same formulas are composed with f64 constants.


def _below_zero(x: Any, below: Any) -> Any:
    return run_onnx("Where", run_onnx("Less", x, _constant(0, x)), below, x)


def _times(x: Any, factor: float) -> Any:
    return run_onnx("Mul", x, _constant(factor, x))


@reference(activations.LeakyRelu)
def leaky_relu(op: activations.LeakyRelu, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("LeakyRelu", x, alpha=op.slope)
    return _below_zero(x, _times(x, op.slope))


@reference(activations.PRelu)
def prelu(op: activations.PRelu, x: Any, slope: Any) -> Any:
    return run_onnx("PRelu", x, slope.reshape(-1, *[1] * (x.ndim - 2)))


@reference(activations.Elu)
def elu(op: activations.Elu, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Elu", x, alpha=op.alpha)
    return _below_zero(x, _times(expm1(elementary.Expm1(), x), op.alpha))


@reference(activations.Selu)
def selu(op: activations.Selu, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Selu", x)
    return _times(elu(activations.Elu(1.67326324235437728481704), x), 1.05070098735548049341934)


@reference(activations.Celu)
def celu(op: activations.Celu, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Celu", x, alpha=op.alpha)
    scaled = run_onnx("Div", x, _constant(op.alpha, x))
    return _times(elu(activations.Elu(), scaled), op.alpha)


@reference(activations.HardSigmoid)
def hard_sigmoid(op: activations.HardSigmoid, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("HardSigmoid", x, alpha=op.alpha, beta=op.beta)
    line = run_onnx("Add", _times(x, op.alpha), _constant(op.beta, x))
    return run_onnx("Clip", line, _constant(0, x), _constant(1, x))


@reference(activations.HardSwish)
def hard_swish(op: activations.HardSwish, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("HardSwish", x)
    return run_onnx("Mul", x, hard_sigmoid(activations.HardSigmoid(1 / 6, 0.5), x))


@reference(activations.Softsign)
def softsign(op: activations.Softsign, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Softsign", x)
    return run_onnx("Div", x, run_onnx("Add", run_onnx("Abs", x), _constant(1, x)))


@reference(smooth_activations.Gelu)
def gelu(op: smooth_activations.Gelu, x: Any) -> Any:
    if x.dtype == np.float32:
        return run_onnx("Gelu", x, approximate=op.approximate)
    if op.approximate == "tanh":
        cube = run_onnx("Pow", x, _constant(3, x))
        inner = _times(run_onnx("Add", x, _times(cube, 0.044715)), math.sqrt(2 / math.pi))
        curve = run_onnx("Tanh", inner)
    else:
        curve = erf(Erf(), _times(x, math.sqrt(0.5)))
    return run_onnx("Mul", _times(x, 0.5), run_onnx("Add", curve, _constant(1, x)))


@reference(smooth_activations.Silu)
def silu(op: smooth_activations.Silu, x: Any) -> Any:
    return run_onnx("Mul", x, run_onnx("Sigmoid", x))
