"""Reductions: onnx's own vectors, empty axes, masks, ties, and how sums keep their precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops.contract.base import DataError, Op, OpError
from netdsl.ops.reduce.reduce import LogSumExp, Max, Mean, Min, Prod, Sum
from netdsl.ops.reduce.reduce_axis import All, ArgMax, ArgMin, CumSum
from netdsl.ops.reduce.reduce_axis import Any as AnyOf
from netdsl.ops.reduce.variance import Variance
from netdsl.types import tensor
from ops.vectors import Vector, check_vector, vectors

# -- vectors ---------------------------------------------------------------------------------------

LEFT_OUT = {
    "reduce_max_empty_set": "an error here",
    "reduce_min_empty_set": "an error here",
    "reduce_max_empty_set_bool": "an error here",
    "reduce_sum_empty_axes_input_noop": "an empty list means all axes here",
    "reduce_sum_empty_axes_input_noop_example": "an empty list means all axes here",
    **{
        f"arg{kind}_{axes}_{data}_select_last_index": "takes the last of equal elements"
        for kind in ("max", "min")
        for axes in ("no_keepdims", "keepdims", "default_axis", "negative_axis_keepdims")
        for data in ("example", "random")
    },
}

REDUCTIONS: dict[str, Any] = {
    "ReduceSum": Sum,
    "ReduceMean": Mean,
    "ReduceProd": Prod,
    "ReduceMax": Max,
    "ReduceMin": Min,
    "ReduceLogSumExp": LogSumExp,
}
TRUTH: dict[str, Any] = {"ReduceMax": AnyOf, "ReduceMin": All}


@pytest.mark.parametrize("vector", vectors(*REDUCTIONS, left_out=LEFT_OUT))
def test_onnx_vectors(vector: Vector, xp: Any) -> None:
    x, axes = vector.inputs if len(vector.inputs) > 1 else (vector.inputs[0], None)
    build = (TRUTH if x.dtype == bool else REDUCTIONS)[vector.op_type]
    given = () if axes is None else tuple(axes.tolist())
    check_vector(xp, vector, build(given, bool(vector.attributes.get("keepdims", 1))), x)


@pytest.mark.parametrize("vector", vectors("ArgMax", "ArgMin", left_out=LEFT_OUT))
def test_onnx_position_vectors(vector: Vector, xp: Any) -> None:
    build = {"ArgMax": ArgMax, "ArgMin": ArgMin}[vector.op_type]
    op = build(vector.attributes.get("axis", 0), bool(vector.attributes.get("keepdims", 1)))
    check_vector(xp, vector, op, vector.inputs[0])


@pytest.mark.parametrize("vector", vectors("CumSum"))
def test_onnx_cumsum_vectors(vector: Vector, xp: Any) -> None:
    exclusive, reverse = (bool(vector.attributes.get(name, 0)) for name in ("exclusive", "reverse"))
    check_vector(xp, vector, CumSum(int(vector.inputs[1]), exclusive, reverse), vector.inputs[0])


# -- empty axes ------------------------------------------------------------------------------------


def test_what_nothing_sums_to(xp: Any) -> None:
    x = xp.zeros((0, 2), dtype=xp.float32)
    assert Sum((0,)).forward(xp, x).tolist() == [0, 0]
    assert Prod((0,)).forward(xp, x).tolist() == [1, 1]
    assert LogSumExp((0,)).forward(xp, x).tolist() == [-np.inf] * 2
    assert AnyOf((0,)).forward(xp, x > 0).tolist() == [False, False]
    assert All((0,)).forward(xp, x > 0).tolist() == [True, True]


@pytest.mark.parametrize("op", [Max(), Min(), Mean(), Variance(), ArgMax(), ArgMin()])
def test_an_empty_axis_is_refused_when_known_and_at_run_time(op: Op, xp: Any) -> None:
    with pytest.raises(OpError):
        op.shape(tensor("f32", 0))
    assert op.shape(tensor("f32", symbol("B"))).rank == 0  # type: ignore[union-attr]  # one output
    with pytest.raises(DataError, match="needs"):
        op.forward(xp, xp.zeros(0))


def test_a_sample_too_small_for_its_correction(xp: Any) -> None:
    with pytest.raises(DataError, match="at least 2 elements, but got 1"):
        Variance((1,), correction=1).forward(xp, xp.zeros((3, 1)))


# -- masks -----------------------------------------------------------------------------------------


def test_masked_positions_do_not_count(xp: Any) -> None:
    nan = float("nan")
    x = xp.asarray([[1.0, nan, 3.0], [nan, nan, nan], [2.0, 4.0, 9.0]])
    keep = xp.asarray([[True, False, True], [False, False, False], [True, True, True]])
    assert Mean((1,)).forward(xp, x, keep).tolist() == [2, 0, 5]
    assert Sum((1,)).forward(xp, x, keep).tolist() == [4, 0, 15]
    assert Mean((1,), True).forward(xp, x[2:], keep[:1]).tolist() == [[5.5]]


# -- precision and element types -------------------------------------------------------------------


def test_f16_adds_up_in_f32(xp: Any) -> None:
    """In f16, adding 1 to 2048 changes nothing, and 65504 is the largest number."""
    ones = xp.ones(4096, dtype=xp.float16)
    assert Sum().forward(xp, ones).tolist() == 4096
    assert Mean().forward(xp, xp.full(4096, 100, dtype=xp.float16)).tolist() == 100
    assert CumSum().forward(xp, ones).tolist()[-1] == 4096
    assert Prod().forward(xp, xp.asarray([1e4, 1e4, 1e-4], dtype=xp.float16)).dtype == xp.float16
    assert abs(float(Prod().forward(xp, xp.asarray([1e4, 1e4, 1e-4], dtype=xp.float16))) - 1e4) < 50
    assert Variance().forward(xp, xp.asarray([-200, 200] * 8, dtype=xp.float16)).tolist() == 40000


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_keep_their_type(dtype: str, xp: Any) -> None:
    x = xp.asarray([[2, 3], [4, 5]], dtype=dtype)
    for op, expected in ((Sum(), 14), (Prod(), 120), (Max(), 5), (CumSum(), [[2, 5], [4, 9]])):
        y = op.forward(xp, x)
        assert (str(y.dtype), y.tolist()) == (dtype, expected)


def test_integer_sums_wrap(xp: Any) -> None:
    assert Sum().forward(xp, xp.asarray([2**31 - 1, 1], dtype=xp.int32)).tolist() == -(2**31)


@pytest.mark.parametrize("center", [1e4, -1e6])
def test_variance_far_from_zero(center: float, xp: Any) -> None:
    x = np.random.default_rng(0).normal(center, 1, (8, 1024)).astype(np.float32)
    y = Variance((1,)).forward(xp, xp.asarray(x))
    np.testing.assert_allclose(y.tolist(), x.astype(np.float64).var(1), rtol=2e-6)


def test_logsumexp_at_the_ends(xp: Any) -> None:
    inf = float("inf")
    x = xp.asarray([[1000.0, 1000.0], [-inf, -inf], [-inf, 1.0], [inf, 1000.0]])
    y = LogSumExp((1,)).forward(xp, x).tolist()
    assert y[1:] == [-inf, 1, inf]
    assert abs(y[0] - 1000 - np.log(2)) < 1e-9


def test_nan_is_found(xp: Any) -> None:
    x = xp.asarray([[1.0, float("nan"), 3.0]])
    for op in (Max((1,)), Min((1,)), LogSumExp((1,)), Sum((1,)), Mean((1,))):
        assert bool(xp.isnan(op.forward(xp, x)).all())


def test_the_first_of_equal_elements(xp: Any) -> None:
    x = xp.asarray([[1, 3, 3, 1], [2, 2, 2, 2]])
    assert ArgMax().forward(xp, x).tolist() == [1, 0]
    assert ArgMin(keepdims=True).forward(xp, x).tolist() == [[0], [0]]
    assert ArgMax().forward(xp, x[:, ::-1]).tolist() == [1, 0]


def test_results_are_arrays(xp: Any) -> None:
    for op in (Sum(), Mean(), Max(), Prod(), Variance(), LogSumExp(), ArgMax()):
        assert isinstance(op.forward(xp, xp.ones(3)), xp.ndarray)
    for op in (AnyOf(), All()):
        assert isinstance(op.forward(xp, xp.ones(3, dtype=bool)), xp.ndarray)
