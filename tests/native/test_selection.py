"""Comparisons, choices, conversions, elements at ids and the gradients that losses need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import check, floats, library, run_natively, step_of
from netdsl.dims import dim
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.attention.softmax_gradient import LogSoftmaxGradient, SoftmaxGradient
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.cast import Cast
from netdsl.ops.elementwise.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Where
from netdsl.ops.index.gather import Gather, GatherElements, GatherElementsGradient, GatherGradient
from netdsl.types import DType
from netruntime.native import accepts, compile_steps
from netruntime.native.run import RefusedError

Array = np.ndarray[Any, Any]
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-45, 3e38, 1.5, -7.0], np.float32)


def same(op: Op, *arrays: Array) -> None:
    """The native kernel gives the bits that NumPy gives."""
    _, (wanted,) = step_of(op, list(arrays), [])
    (found,) = run_natively(op, list(arrays))
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("relation", [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual])
def test_comparisons(relation: Any) -> None:
    same(relation(), SPECIAL[:, None], SPECIAL)
    same(relation(), floats(3, 4099), floats(1, seed=1))
    for dtype in (np.int32, np.int64):
        numbers = np.arange(-40, 41, dtype=dtype)
        same(relation(), numbers, numbers[::-1])
        same(relation(), np.array([2**31 - 1, -(2**31)], dtype), np.array([[-1], [2**31 - 1]], dtype))


@pytest.mark.parametrize("relation", [Equal, NotEqual])
def test_comparisons_of_booleans(relation: Any) -> None:
    same(relation(), np.array([True, False]), np.array([[True], [False]]))


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.bool_])
def test_choices(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-3, 3, (7, 1, 5003)).astype(dtype) for _ in range(2))
    condition = rng.integers(0, 2, (7, 4, 5003)).astype(bool)
    same(Where(), condition, a, b)
    same(Where(), condition[0], a, b[:, :, :1])
    same(Where(), condition[:, :, :1], a[0, 0, 0], b)
    same(Where(), condition[0, 0], a[0, 0], b[0, 0])


def test_choices_take_any_value() -> None:
    same(Where(), np.arange(10) % 2 == 0, SPECIAL, SPECIAL[::-1])


NUMBERS = {
    DType.F32: SPECIAL,
    DType.I32: np.array([0, 1, -1, 2**31 - 1, -(2**31), 16777217], np.int32),
    DType.I64: np.array([0, 1, -1, 2**63 - 1, -(2**63), 2**32, 16777217], np.int64),
    DType.BOOL: np.array([True, False]),
}


@pytest.mark.parametrize("of", NUMBERS)
@pytest.mark.parametrize("to", NUMBERS)
def test_conversions(of: DType, to: DType) -> None:
    numbers = np.tile(NUMBERS[of], 1001)
    if of is DType.F32 and to in (DType.I32, DType.I64):
        step, _ = step_of(Cast(to), [numbers], [])
        assert not accepts(step)
    else:
        same(Cast(to), numbers)


# -- elements at ids --------------------------------------------------------------------------------


def ids(size: int, *shape: int, dtype: Any = np.int32) -> Array:
    return np.random.default_rng(3).integers(-size, size, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(
    "outer, size, inner, count", [(1, 1, 1, 1), (5, 10, 1, 1), (3, 7, 4, 9), (1, 600, 17, 30)]
)
def test_elements_and_sums_at_ids(outer: int, size: int, inner: int, count: int, dtype: Any) -> None:
    shape = (dim(outer), dim(size), dim(inner))
    at = ids(size, outer, count, inner, dtype=dtype)
    same(GatherElements(1), floats(outer, size, inner), at)
    check(GatherElementsGradient(1, shape), floats(outer, count, inner), at)
    at = ids(size, count, dtype=dtype)
    same(Gather(1), floats(outer, size, inner), at)
    check(GatherGradient(1, dim(size)), floats(outer, count, inner), at)


def test_sums_at_ids_have_the_same_bits_for_any_threads() -> None:
    dy, at = floats(4000, 33), ids(1000, 4000)
    one, two = (run_natively(GatherGradient(0, dim(1000)), [dy, at], threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("wrong", [5, -6])
@pytest.mark.parametrize(
    "op",
    [GatherElements(1), GatherElementsGradient(1, (dim(3), dim(5))), Gather(1), GatherGradient(1, dim(5))],
)
def test_ids_out_of_range_are_left_to_numpy(op: Op, wrong: int) -> None:
    alone = isinstance(op, Gather | GatherGradient)
    x = floats(3, 5) if isinstance(op, Gather | GatherElements) else floats(3, 2)
    at = np.zeros((2,) if alone else (3, 2), np.int64)
    step, _ = step_of(op, [x, at], [])
    assert accepts(step)
    at.flat[-1] = wrong
    with pytest.raises(RefusedError):
        run_on(op, x, at)


def run_on(op: Op, x: Array, at: Array) -> None:
    """As `run_natively`, without a call of the operator on NumPy, which would refuse the ids."""
    step, _ = step_of(op, [x, np.zeros_like(at)], [])
    run = compile_steps([step], {}, [(step.node, 0)], step.types, library(), lambda: 1)
    run(x, at)


# -- gradients of softmax ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, over", [((3, 5), (1,)), ((7, 1001), (1,)), ((2, 19, 37), (1,)), ((4, 3, 6), (0, 2))]
)
def test_gradients_of_softmax(shape: Any, over: Any) -> None:
    x, dy = floats(*shape) * 5, floats(*shape, seed=1)
    check(SoftmaxGradient(over), dy, Softmax(over).forward(np, x))
    check(LogSoftmaxGradient(over), dy, LogSoftmax(over).forward(np, x))


@pytest.mark.parametrize("op, result", [(SoftmaxGradient(), 0.0), (LogSoftmaxGradient(), -np.inf)], ids=str)
def test_gradients_of_softmax_where_not_all_is_finite(op: Op, result: float) -> None:
    y, dy = -np.abs(floats(4, 20)), floats(4, 20, seed=1)
    y[0, 3], y[1] = result, result
    dy[2, 5], dy[3, 19] = np.nan, np.inf
    check(op, dy, y)
