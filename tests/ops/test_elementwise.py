"""Elementwise operators: onnx's own vectors, 16-bit floats, and the edges of each function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netdsl.ops import REGISTRY
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise import (
    activations,
    arithmetic,
    cast,
    clip,
    comparison,
    elementary,
    erf,
    rounding,
    smooth_activations,
)
from netdsl.ops.elementwise.kinds import Activation, Binary, Unary
from netdsl.types import DType
from ops.test_conformance import draw_all, run, to_numpy
from ops.vectors import Vector, check_vector, vector

# -- onnx's vectors -------------------------------------------------------------------------------
# Left out: 16-bit and unsigned 32/64-bit integers (no such element types); operands of two types
# (pow_types_float32_int64 and its kin; ours must agree); integer div (ONNX rounds towards 0);
# mod with fmod=1 (sign of the dividend); max and min of one or three inputs; prelu_* (slopes
# broadcast from the last axis, ours are per channel); clip_min_greater_than_max (refused);
# equal_string*.

PLAIN: dict[type[Op], str] = {
    arithmetic.Add: "add add_int8 add_uint8 add_bcast",
    arithmetic.Subtract: "sub_example sub sub_int8 sub_uint8 sub_bcast",
    arithmetic.Multiply: "mul_example mul mul_int8 mul_uint8 mul_bcast",
    arithmetic.Divide: "div_example div div_bcast",
    arithmetic.Modulo: "mod_mixed_sign_int64 mod_mixed_sign_int32 mod_mixed_sign_int8 mod_uint8 "
    "mod_broadcast mod_float64_mixed_sign_fmod_0 mod_float32_mixed_sign_fmod_0 mod_float16_mixed_sign_fmod_0 "
    "mod_float_edge_cases_fmod_0_float16 mod_float_edge_cases_fmod_0_float32 "
    "mod_float_edge_cases_fmod_0_float64",
    arithmetic.Power: "pow_example pow pow_bcast_scalar pow_bcast_array pow_types_int64_int64 "
    "pow_types_int32_int32",
    arithmetic.Negate: "neg_example neg",
    arithmetic.Minimum: "min_two_inputs min_int8 min_int32 min_int64 min_uint8 min_float16 min_float32 "
    "min_float64",
    arithmetic.Maximum: "max_two_inputs max_int8 max_int32 max_int64 max_uint8 max_float16 max_float32 "
    "max_float64",
    comparison.Equal: "equal equal_int8 equal_uint8 equal_bcast",
    comparison.Less: "less less_int8 less_uint8 less_bcast",
    comparison.LessEqual: "less_equal less_equal_int8 less_equal_uint8 less_equal_bcast",
    comparison.Greater: "greater greater_int8 greater_uint8 greater_bcast",
    comparison.GreaterEqual: "greater_equal greater_equal_int8 greater_equal_uint8 greater_equal_bcast",
    comparison.LogicalAnd: "and2d and3d and4d and_bcast3v1d and_bcast3v2d and_bcast4v2d and_bcast4v3d "
    "and_bcast4v4d",
    comparison.LogicalOr: "or2d or3d or4d or_bcast3v1d or_bcast3v2d or_bcast4v2d or_bcast4v3d or_bcast4v4d",
    comparison.LogicalXor: "xor2d xor3d xor4d xor_bcast3v1d xor_bcast3v2d xor_bcast4v2d xor_bcast4v3d "
    "xor_bcast4v4d",
    comparison.LogicalNot: "not_2d not_3d not_4d",
    comparison.Where: "where_example where_long_example",
    elementary.Exp: "exp_example exp",
    elementary.Log: "log_example log",
    elementary.Sqrt: "sqrt_example sqrt",
    elementary.Reciprocal: "reciprocal_example reciprocal",
    rounding.Abs: "abs",
    rounding.Sign: "sign",
    erf.Erf: "erf",
    elementary.Sin: "sin_example sin",
    elementary.Cos: "cos_example cos",
    rounding.Floor: "floor_example floor",
    rounding.Ceil: "ceil_example ceil",
    rounding.Round: "round",
    rounding.IsNan: "isnan isnan_float16",
    activations.Relu: "relu",
    activations.HardSwish: "hardswish",
    activations.Softsign: "softsign_example softsign",
    activations.Selu: "selu_default",
    smooth_activations.Sigmoid: "sigmoid_example sigmoid",
    smooth_activations.Tanh: "tanh_example tanh",
    smooth_activations.Silu: "swish",
    smooth_activations.Mish: "mish",
    smooth_activations.Softplus: "softplus_example softplus",
}


@pytest.mark.parametrize(
    ("op_class", "name"), [pytest.param(c, n, id=n) for c, names in PLAIN.items() for n in names.split()]
)
def test_onnx_vector(op_class: type[Op], name: str, xp: Any) -> None:
    item = vector(name)
    with np.errstate(all="ignore"):  # some vectors divide by 0
        check_vector(xp, item, op_class(), *item.inputs)


Build = Callable[[Vector], Op]


def _clip(item: Vector) -> Op:
    low, high = (*(None if b is None else float(b) for b in item.inputs[1:]), None)[:2]
    return clip.Clip(low, high)


def _gelu(item: Vector) -> Op:
    return smooth_activations.Gelu(item.attributes.get("approximate", b"none").decode())


WITH_ATTRIBUTES: dict[str, tuple[Build, str]] = {
    "elu": (lambda v: activations.Elu(**v.attributes), "elu_example elu elu_default"),
    "celu": (lambda v: activations.Celu(**v.attributes), "celu celu_float16 celu_bfloat16"),
    "leaky_relu": (
        lambda v: activations.LeakyRelu(v.attributes.get("alpha", 0.01)),
        "leakyrelu_example leakyrelu leakyrelu_default",
    ),
    "hard_sigmoid": (
        lambda v: activations.HardSigmoid(**{"alpha": 0.2, **v.attributes}),
        "hardsigmoid_example hardsigmoid hardsigmoid_default",
    ),
    "gelu": (_gelu, "gelu_tanh_1 gelu_tanh_2 gelu_default_1 gelu_default_2"),
    "clip": (
        _clip,
        "clip_example clip clip_inbounds clip_outbounds clip_splitbounds clip_default_min clip_default_max "
        "clip_default_inbounds clip_default_int8_min clip_default_int8_max clip_default_int8_inbounds",
    ),
    "softmax": (
        lambda v: Softmax((v.attributes.get("axis", -1),)),
        "softmax_example softmax_large_number softmax_axis_0 softmax_axis_1 softmax_axis_2 "
        "softmax_negative_axis softmax_default_axis",
    ),
    "log_softmax": (
        lambda v: LogSoftmax((v.attributes.get("axis", -1),)),
        "logsoftmax_example_1 logsoftmax_large_number logsoftmax_axis_0 logsoftmax_axis_1 logsoftmax_axis_2 "
        "logsoftmax_negative_axis logsoftmax_default_axis",
    ),
}


@pytest.mark.parametrize(
    ("build", "name"),
    [pytest.param(b, n, id=n) for b, names in WITH_ATTRIBUTES.values() for n in names.split()],
)
def test_onnx_vector_with_attributes(build: Build, name: str, xp: Any) -> None:
    item = vector(name)
    # one unit in the last place: a bfloat16 has 8 significant bits, a float16 11
    limits = {"rtol": 2**-7} if "bfloat16" in name else {"rtol": 2**-10} if "float16" in name else {}
    check_vector(xp, item, build(item), item.inputs[0], **limits)


# -- 16-bit floats --------------------------------------------------------------------------------

HALVES = [
    pytest.param(item, id=f"{name}-{n}")
    for name, cls in sorted(REGISTRY.items())
    if issubclass(cls, Unary | Binary | Activation | Softmax | LogSoftmax)
    for n, item in enumerate(cls.examples())
    if any(d is not None and d.dtype is DType.F32 for d in item.inputs)
]


@pytest.mark.parametrize("item", HALVES)
def test_f16_is_the_f32_result_rounded(item: Any, xp: Any) -> None:
    halves = draw_all(item, DType.F16)
    wide = [a.astype(np.float32) if a.dtype == np.float16 else a for a in halves if a is not None]
    half = run(item.op, xp, [xp.asarray(a) for a in halves if a is not None])[0]
    expected = run(item.op, xp, [xp.asarray(a) for a in wide])[0]
    assert half.dtype == (np.float16 if expected.dtype == np.float32 else expected.dtype)
    np.testing.assert_allclose(to_numpy(half).astype(np.float32), to_numpy(expected), rtol=2e-3, atol=1e-4)


# -- the edges of each function -------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "units"), [("float32", 2), ("float64", 3)])
def test_erf_is_accurate_to_the_last_places(dtype: str, units: int, xp: Any) -> None:
    x = np.concatenate([np.linspace(-7, 7, 20001), 10.0 ** np.arange(-30, 31, 3)]).astype(dtype)
    exact = np.array([math.erf(v) for v in x.tolist()])
    ours = to_numpy(erf.Erf().forward(xp, xp.asarray(x)))
    assert np.max(np.abs(ours / np.where(x == 0, 1, exact) - (x != 0))) < units * np.finfo(dtype).eps
    assert np.max(np.abs(ours)) <= 1


# value at -inf, -1e30, -50, 50, 1e30 and +inf; None stands for x itself
LIMITS: dict[Op, list[float | None]] = {
    activations.Relu(): [0, 0, 0, None, None, None],
    activations.LeakyRelu(0.0): [math.nan, 0, 0, None, None, None],
    activations.Elu(2.0): [-2, -2, -2, None, None, None],
    activations.Celu(0.5): [-0.5, -0.5, -0.5, None, None, None],
    activations.HardSigmoid(): [0, 0, 0, 1, 1, 1],
    activations.HardSwish(): [0, 0, 0, None, None, None],
    activations.Softsign(): [-1, -1, -50 / 51, 50 / 51, 1, 1],
    erf.Erf(): [-1, -1, -1, 1, 1, 1],
    smooth_activations.Sigmoid(): [0, 0, math.exp(-50), 1, 1, 1],
    smooth_activations.Tanh(): [-1, -1, -1, 1, 1, 1],
    smooth_activations.Gelu(): [0, 0, 0, None, None, None],
    smooth_activations.Gelu("tanh"): [0, 0, 0, None, None, None],
    smooth_activations.Silu(): [0, 0, -50 * math.exp(-50), None, None, None],
    smooth_activations.Mish(): [0, 0, -50 * math.exp(-50), None, None, None],
    smooth_activations.Softplus(): [0, 0, math.exp(-50), None, None, None],
}


@pytest.mark.parametrize("op", [pytest.param(op, id=str(op)) for op in LIMITS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activation_far_from_zero(op: Op, dtype: str, xp: Any) -> None:
    x = np.array([-np.inf, -1e30, -50, 50, 1e30, np.inf], dtype)
    expected = [v if e is None else e for v, e in zip(x.tolist(), LIMITS[op], strict=True)]
    if math.isnan(expected[0]):  # 0 * inf
        x, expected = x[1:], expected[1:]
    ours = to_numpy(op.forward(xp, xp.asarray(x)))
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("op", [pytest.param(op, id=str(op)) for op in LIMITS])
def test_activation_keeps_nan(op: Op, xp: Any) -> None:
    ours = op.forward(xp, xp.asarray([math.nan, 1.0], dtype="float32"))
    assert to_numpy(xp.isnan(ours)).tolist() == [True, False]


def test_blocks_of_a_large_array_join_up(xp: Any) -> None:
    x = xp.linspace(-5, 5, 3 * 40001).reshape(3, 40001)[:, ::2].astype("float32")
    ours = smooth_activations.Silu().forward(xp, x)
    rows = [smooth_activations.Silu().forward(xp, row[:5000]) for row in x]
    assert ours.shape == x.shape and ours.dtype == x.dtype
    for row, expected in zip(ours, rows, strict=True):
        np.testing.assert_array_equal(to_numpy(row[:5000]), to_numpy(expected))


def test_sign_and_extrema_keep_nan(xp: Any) -> None:
    x, zero = xp.asarray([math.nan, -2.0]), xp.asarray([0.0, 0.0])
    for op, arrays, second in [
        (rounding.Sign(), [x], -1.0),
        (arithmetic.Minimum(), [x, zero], -2.0),
        (arithmetic.Maximum(), [zero, x], 0.0),
        (clip.Clip(-1.0, 1.0), [x], -1.0),
    ]:
        np.testing.assert_array_equal(to_numpy(op.forward(xp, *arrays)), [math.nan, second])


def test_comparisons_with_nan(xp: Any) -> None:
    x = xp.asarray([math.nan])
    for op, expected in [
        (comparison.Equal(), False),
        (comparison.NotEqual(), True),
        (comparison.LessEqual(), False),
        (comparison.GreaterEqual(), False),
    ]:
        assert to_numpy(op.forward(xp, x, x)).tolist() == [expected]


def test_where_ignores_what_it_does_not_choose(xp: Any) -> None:
    y = comparison.Where().forward(
        xp, xp.asarray([True, False]), xp.asarray([1.0, math.nan]), xp.asarray(2.0)
    )
    assert to_numpy(y).tolist() == [1.0, 2.0]


FLOORED = [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, 3), (-6, 3), (0, 5), (1, 7)]


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_floor_division_and_modulo_are_pythons(dtype: str, xp: Any) -> None:
    a, b = (xp.asarray(side, dtype=dtype) for side in zip(*FLOORED, strict=True))
    quotients = to_numpy(arithmetic.FloorDivide().forward(xp, a, b))
    rests = to_numpy(arithmetic.Modulo().forward(xp, a, b))
    assert quotients.tolist() == [x // y for x, y in FLOORED] and quotients.dtype == dtype
    assert rests.tolist() == [x % y for x, y in FLOORED] and rests.dtype == dtype


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.1), (-1.0, 0.1), (0.3, -0.1), (1e300, 3.7), (-1.0, math.inf)])
def test_floor_division_of_inexact_floats_is_pythons(a: float, b: float, xp: Any) -> None:
    left, right = xp.asarray([a]), xp.asarray([b])
    assert float(arithmetic.FloorDivide().forward(xp, left, right)[0]) == a // b
    assert float(arithmetic.Modulo().forward(xp, left, right)[0]) == a % b


def test_integer_powers_round_towards_zero(xp: Any) -> None:
    a = xp.asarray([2, -2, 1, -1, -1, 0, 3, -3])
    b = xp.asarray([-1, -3, -5, -3, -2, -1, 4, 3])
    y = arithmetic.Power().forward(xp, a, b)
    assert to_numpy(y).tolist() == [0, 0, 1, -1, 1, 0, 81, -27]
    assert y.dtype == a.dtype


def test_round_takes_halves_to_even(xp: Any) -> None:
    y = rounding.Round().forward(xp, xp.asarray([-1.5, -0.5, 0.5, 1.5, 2.5]))
    assert to_numpy(y).tolist() == [-2, 0, 0, 2, 2]


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (DType.I32, [-1.7, -0.2, 0.9, 2.5], [-1, 0, 0, 2]),
        (DType.BOOL, [0.0, -0.1, 3.0, math.nan], [False, True, True, True]),
        (DType.F16, [1.0, 65504.0, 1e-8, 0.1], [1.0, 65504.0, 0.0, 0.0999755859375]),
    ],
)
def test_cast(dtype: DType, values: list[float], expected: list[Any], xp: Any) -> None:
    assert to_numpy(cast.Cast(dtype).forward(xp, xp.asarray(values))).tolist() == expected


def test_small_arguments_keep_their_digits(xp: Any) -> None:
    x = xp.asarray([1e-12])
    assert float(elementary.Expm1().forward(xp, x)[0]) == pytest.approx(1e-12 + 5e-25, rel=1e-15)
    assert float(elementary.Log1p().forward(xp, x)[0]) == pytest.approx(1e-12 - 5e-25, rel=1e-15)


def test_clip_keeps_the_integer_type(xp: Any) -> None:
    y = clip.Clip(-1, 2).forward(xp, xp.asarray([-5, 0, 5], dtype="int8"))
    assert to_numpy(y).tolist() == [-1, 0, 2] and y.dtype == "int8"


@pytest.mark.parametrize("where", [None, [[True, False, True], [False, False, False]]])
def test_log_softmax_is_the_logarithm_of_softmax(where: Any, xp: Any) -> None:
    x = xp.asarray([[1000.0, 0.0, 998.0], [3.0, 4.0, 5.0]])
    keep = None if where is None else xp.asarray(where)
    logs = to_numpy(LogSoftmax().forward(xp, x, keep))
    weights = to_numpy(Softmax().forward(xp, x, keep))
    np.testing.assert_allclose(np.exp(logs), weights, rtol=1e-12)
    assert logs[0, 0] == pytest.approx(-math.log1p(math.exp(-2)))
    assert logs[0, 1] == (-np.inf if where else pytest.approx(-1000 - math.log1p(math.exp(-2))))
    if where:
        assert np.isneginf(logs[1]).all() and not weights[1].any()


@pytest.mark.parametrize("op", [Softmax(()), LogSoftmax(())])
def test_no_axes_means_all(op: Op, xp: Any) -> None:
    y = to_numpy(op.forward(xp, xp.zeros((2, 3))))
    np.testing.assert_allclose(np.exp(y) if isinstance(op, LogSoftmax) else y, np.full((2, 3), 1 / 6))
