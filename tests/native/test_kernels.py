"""Native kernels against the operators on NumPy: their own samples, other sizes, and special values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from native.running import check, constants_of, floats, run_natively, step_of
from netdsl.ops.contract.base import Example, Op
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.activations import LeakyRelu, Relu
from netdsl.ops.elementwise.arithmetic import Add, Multiply, Subtract
from netdsl.ops.elementwise.kinds import ActivationGradient
from netdsl.ops.elementwise.smooth_activations import Gelu, Sigmoid, Silu, Softplus, Tanh
from netdsl.ops.linear.linear import Linear
from netdsl.ops.norm.batch_norm_training import BatchNormTraining, BatchNormTrainingGradient
from netdsl.ops.pool.global_pool import GlobalAvgPool
from netdsl.ops.pool.pool import AvgPool, MaxPool
from netdsl.ops.pool.pool_gradient import MaxPoolGradient, PoolSpread, WindowSum
from netdsl.ops.reduce.reduce import Sum
from netdsl.types import DType
from netruntime.native import accepts
from netruntime.native.fused import Fused, ReluGradient
from netruntime.native.lowering import LOWERINGS
from ops.drawing import sample

Array = np.ndarray[Any, Any]


def samples() -> list[tuple[str, Example]]:
    classes = [op for op in LOWERINGS if op is not Fused]
    return [(f"{op.name}-{n}", one) for op in classes for n, one in enumerate(op.examples())]


def drawn(example: Example) -> list[Array | None]:
    """The arrays of a sample; floats are f32."""
    return [sample(draw, DType.F32, str(n)) for n, draw in enumerate(example.inputs)]


@pytest.mark.parametrize("name, example", samples(), ids=[name for name, _ in samples()])
def test_samples_of_the_operators(name: str, example: Example) -> None:
    arrays = drawn(example)
    step, _ = step_of(example.op, arrays, constants_of(example.op, arrays))
    if not accepts(step):
        pytest.skip("runs on NumPy: the kernel does not take these types or attributes")
    check(example.op, *arrays)


SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-45, 3e38, -3e38, 88.8, -88.0, -103.9, 1e-8],
    np.float32,
)


# -- odd sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6, 7, 13, 14, 15, 29, 57, 113])
@pytest.mark.parametrize("depth, count", [(1, 1), (5, 16), (17, 33), (64, 10), (120, 130)])
def test_linear(rows: int, depth: int, count: int) -> None:
    check(Linear(), floats(rows, depth), floats(depth, count, seed=1), floats(count, seed=2))


CONVOLUTIONS = [
    # batch, channels, height, width, outputs, window, stride, pad, dilation
    (1, 1, 9, 9, 6, (3, 3), (1,), (0,), (1,)),
    (2, 3, 11, 7, 5, (5, 3), (2, 1), (2, 1), (1,)),
    (1, 3, 9, 9, 17, (3, 3), (2,), "same", (1,)),
    (2, 4, 8, 8, 16, (4, 4), (4,), (0,), (1,)),
    (1, 2, 9, 9, 3, (3, 3), (1,), (2,), (2,)),
    (1, 16, 5, 5, 32, (3, 3), (1,), (1,), (1,)),
    (2, 17, 7, 9, 33, (3, 3), (1,), (1,), (1,)),
    (1, 20, 14, 14, 48, (1, 1), (1,), (0,), (1,)),
    (1, 32, 15, 13, 16, (1, 1), (2,), (0,), (1,)),
    (3, 16, 10, 29, 40, (5, 5), (1,), (2,), (1,)),
    (1, 24, 12, 12, 24, (3, 3), (2,), (1, 1, 0, 0), (1,)),
    (1, 16, 13, 13, 16, (3, 3), (1,), (2,), (2,)),
    (1, 8, 3, 3, 130, (3, 3), (1,), (0,), (1,)),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv(case: tuple[Any, ...]) -> None:
    batch, channels, height, width, outputs, window, stride, pad, dilation = case
    x, w = floats(batch, channels, height, width), floats(outputs, channels, *window, seed=1)
    check(Conv(stride, pad, dilation), x, w, floats(outputs, seed=2))
    check(Conv(stride, pad, dilation), x, w, None)


@pytest.mark.parametrize("activation", [None, Relu(), Tanh(), Sigmoid(), Silu()], ids=str)
def test_fused(activation: Any) -> None:
    op = Fused(Conv((1,), (1,)), activation)
    x, w, bias = floats(2, 16, 6, 9), floats(21, 16, 3, 3, seed=1) / 12, floats(21, seed=2)
    check(op, x, w, bias, floats(2, 21, 6, 9, seed=3))
    check(op, x, w, bias)
    op = Fused(Linear(), activation)
    x, w, bias = floats(15, 40), floats(40, 21, seed=1) / 6, floats(21, seed=2)
    check(op, x, w, bias, floats(15, 21, seed=3))


@pytest.mark.parametrize("pool", [MaxPool, AvgPool])
@pytest.mark.parametrize(
    "size, stride, pad", [((2,), None, (0,)), ((3,), (2,), (1,)), ((3, 2), (1, 2), (1, 0))]
)
def test_pools(pool: Any, size: Any, stride: Any, pad: Any) -> None:
    for channels in (1, 16, 21):
        check(pool(size, stride, pad), floats(2, channels, 9, 10))


def test_a_mean_over_large_images() -> None:
    check(GlobalAvgPool(), floats(2, 19, 57, 61) + 3)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 16, 9, 9), (3, 35, 4, 1), (7, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_batch_norms(shape: Any, eps: float) -> None:
    x, dy = floats(*shape) * 3 + 5, floats(*shape, seed=1)
    weight, bias = floats(shape[1], seed=2), floats(shape[1], seed=3)
    check(BatchNormTraining(eps), x, weight, bias)
    check(BatchNormTraining(eps), x, None, bias)
    check(BatchNormTraining(eps), x, weight, None)
    check(BatchNormTrainingGradient(eps, True), dy, x, weight)
    check(BatchNormTrainingGradient(eps, False), dy, x, None)


def test_a_batch_norm_far_from_zero() -> None:
    x = floats(4, 19, 6, 6) + 1000
    (y, mean, variance), (found, *statistics) = (
        BatchNormTraining().forward(np, x.astype(np.float64)),
        run_natively(BatchNormTraining(), [x, None, None]),
    )
    np.testing.assert_allclose(found, y, atol=2e-6)
    np.testing.assert_allclose(statistics[0], mean, rtol=1e-7)
    np.testing.assert_allclose(statistics[1], variance, rtol=1e-6)


POOLS = [
    ((2,), None, (0,)),
    ((3,), (2,), (1,)),
    ((3, 2), (1, 2), (1, 0)),
    ((1,), (2,), (0,)),
    ((4,), (3,), (2, 1, 1, 2)),
]


@pytest.mark.parametrize("size, stride, pad", POOLS, ids=str)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_gradients_of_pools(size: Any, stride: Any, pad: Any, ceil_mode: bool) -> None:
    for channels in (1, 16, 21):
        x = floats(2, channels, 9, 10)
        x[:, :, 2:6] = np.round(x[:, :, 2:6])  # ties
        x[0, 0, 4, 4], x[0, 0, 7], x[1, 0, :4] = np.nan, -np.inf, -np.inf
        for pool in (MaxPool, AvgPool, WindowSum):
            one = pool(size, stride, pad, ceil_mode=ceil_mode)
            dy = floats(*one.forward(np, x).shape, seed=1)
            check(MaxPoolGradient(one), dy, x) if pool is MaxPool else check(PoolSpread(one, x.shape), dy)


@pytest.mark.parametrize("shape", [(1, 5), (7, 1), (64, 10), (65, 33), (200, 130), (3, 4, 17)], ids=str)
def test_sums_of_rows(shape: Any) -> None:
    check(Sum(tuple(range(len(shape) - 1))), floats(*shape))


def test_sums_of_channels() -> None:
    for channels in (1, 16, 21):
        check(Sum((0, 2, 3)), floats(3, channels, 5, 7))
        check(Sum((0, 2, 3), keepdims=True), floats(3, channels, 5, 7))


@pytest.mark.parametrize("op", [Add(), Subtract(), Multiply(), ReluGradient()], ids=str)
@pytest.mark.parametrize("count", [1, 15, 16, 33, 8192, 20000])
def test_two_arrays(op: Op, count: int) -> None:
    x, y = floats(count), floats(count, seed=1)
    special = np.array([(a, b) for a in SPECIAL for b in SPECIAL], np.float32)
    _, (wanted,) = step_of(op, [x, y], [])
    np.testing.assert_array_equal(run_natively(op, [x, y])[0], wanted)
    _, (wanted,) = step_of(op, [special[:, 0], special[:, 1]], [])
    np.testing.assert_array_equal(run_natively(op, [special[:, 0], special[:, 1]])[0], wanted)


SLOPES = [Tanh(), Sigmoid(), Silu(), Gelu(), Gelu("tanh"), Softplus(), LeakyRelu(), LeakyRelu(1.5)]


@pytest.mark.parametrize("of", SLOPES, ids=str)
def test_gradients_of_activations(of: Any) -> None:
    x = np.concatenate([SPECIAL, np.linspace(-20, 20, 1001, dtype=np.float32)])
    at = of.forward(np, x) if of.derivative_of_result else x
    check(ActivationGradient(of), floats(*x.shape), at)


# -- special values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [MaxPool((2,)), AvgPool((2,)), GlobalAvgPool()], ids=str)
def test_pools_pass_nan_and_infinity_on(op: Op) -> None:
    x = floats(1, 3, 4, 4)
    x[0, 0, 0, 0], x[0, 1, 2, 2], x[0, 2, 1, 1] = np.nan, np.inf, -np.inf
    check(op, x)


def test_products_pass_nan_and_infinity_on() -> None:
    x, w = floats(5, 20), floats(20, 18, seed=1)
    x[1, 3], x[2, 4], w[7, 9] = np.nan, np.inf, -np.inf
    check(Linear(), x, w, None)
    image, kernel = floats(1, 17, 5, 5), floats(18, 17, 3, 3, seed=1)
    image[0, 16, 2, 2] = np.nan
    check(Conv((1,), (1,)), image, kernel, None)


@pytest.mark.parametrize("stride", [2**31, 2**62, 2**63 - 1])
def test_huge_arguments_run_on_numpy(stride: int) -> None:
    """Kernels multiply them with sizes in 64 bits; NumPy has integers of any size."""
    step, _ = step_of(Conv(), [floats(2, 3, 6, 6), floats(4, 3, 3, 3)], ())
    assert accepts(step)
    for op in (Conv((stride,)), Conv((1,), (0, stride)), Fused(Conv((stride,)), Relu())):
        assert not accepts(replace(step, op=op))
