"""Winograd's convolution: its error, its edges, what is not finite, and its bits.

That they are the same on each instruction set is tested with networks, see test_networks.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import library, run_natively, step_of
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.activations import Relu
from netdsl.ops.elementwise.smooth_activations import Tanh
from netruntime.native import compile_steps
from netruntime.native.fused import Fused
from netruntime.native.lowering.convolution.winograd import ERROR, transformed

Array = np.ndarray[Any, Any]


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def kernels_of(op: Fused, arrays: list[Array], exact: bool = False) -> list[str]:
    step, _ = step_of(op, arrays, (1, 2))
    run = compile_steps([step], {}, [(step.node, 0)], step.types, library(), lambda: 1, exact=exact)
    return [record.kernel for record in run.records]


def error(op: Fused, *arrays: Array) -> float:
    """The largest error relative to the largest output, beside NumPy in f64."""
    wanted = op.forward(np, *(array.astype(np.float64) for array in arrays))
    (found,) = run_natively(op, arrays, (1, 2), threads=2)
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("channels", [32, 64, 128, 256, 512])
def test_the_error_is_bounded(channels: int) -> None:
    x, weight = floats(1, channels, 28, 28), floats(48, channels, 3, 3, seed=1)
    op = Fused(Conv((1,), (1,)))
    assert error(op, x, weight, floats(48)) <= ERROR
    positive = [np.abs(x), np.abs(weight), np.abs(floats(48))]
    assert error(op, *positive) <= ERROR


CASES = [
    # batch, channels, height, width, outputs, padding
    (1, 32, 12, 12, 32, 1),
    (2, 48, 15, 14, 33, 0),
    (1, 32, 29, 30, 47, 1),
    (3, 64, 13, 31, 32, 2),
    (1, 32, 90, 86, 32, 1),
    (9, 32, 28, 28, 32, 1),
    (1, 128, 56, 55, 64, 1),
]


@pytest.mark.parametrize("activation", [None, Relu(), Tanh()], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sizes(case: tuple[int, ...], activation: Any) -> None:
    batch, channels, height, width, outputs, pad = case
    op = Fused(Conv((1,), (pad,)), activation)
    x, weight = floats(batch, channels, height, width), floats(outputs, channels, 3, 3, seed=1) / 20
    bias = floats(outputs, seed=2)
    assert any(kernel.startswith("winograd") for kernel in kernels_of(op, [x, weight, bias]))
    assert error(op, x, weight, bias) <= ERROR
    size = (batch, outputs, height + 2 * pad - 2, width + 2 * pad - 2)
    assert error(op, x, weight, bias, floats(*size, seed=3)) <= ERROR


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_that_change(case: tuple[int, ...]) -> None:
    """As in training: they are transformed in each run, in f32."""
    batch, channels, height, width, outputs, pad = case
    op = Conv((1,), (pad,))
    x, weight = floats(batch, channels, height, width), floats(outputs, channels, 3, 3, seed=1) / 20
    step, _ = step_of(op, [x, weight, None], ())
    run = compile_steps([step], {}, [(step.node, 0)], step.types, library(), lambda: 2)
    assert "winograd_weights" in [record.kernel for record in run.records]
    wanted = op.forward(np, x.astype(np.float64), weight.astype(np.float64), None)
    found = [run_natively(op, [x, weight, None], (), threads=n)[0] for n in (1, 2)]
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0] - wanted).max() <= ERROR * np.abs(wanted).max()


def test_weights_that_change_and_are_not_finite() -> None:
    x, weight = floats(1, 32, 14, 14), floats(33, 32, 3, 3, seed=1)
    weight[3, 5, 1, 1], weight[32, 0, 0, 2] = np.inf, np.nan
    op = Conv((1,), (1,))
    with np.errstate(all="ignore"):
        wanted = op.forward(np, x, weight, None)
    (found,) = run_natively(op, [x, weight, None], ())
    for kind in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(kind(found), kind(wanted))


def is_winograd(op: Fused, arrays: list[Array], exact: bool = False) -> bool:
    return any(kernel.startswith("winograd") for kernel in kernels_of(op, arrays, exact))


def test_exact_leaves_it_out() -> None:
    op, arrays = Fused(Conv((1,), (1,))), [floats(1, 32, 28, 28), floats(32, 32, 3, 3), floats(32)]
    assert is_winograd(op, arrays) and not is_winograd(op, arrays, exact=True)


def test_other_convolutions_are_direct() -> None:
    x, weight, bias = floats(1, 32, 28, 28), floats(32, 32, 3, 3), floats(32)
    assert not is_winograd(Fused(Conv((2,), (1,))), [x, weight, bias])
    assert not is_winograd(Fused(Conv((1,), (2,), (2,))), [x, weight, bias])
    assert not is_winograd(Fused(Conv((1,), (0,))), [x[:, :, :9, :9], weight, bias])


def test_weights_beyond_the_last_output_are_zero() -> None:
    packed = transformed(floats(33, 32, 3, 3)).reshape(36, 3, 32, 16)
    assert np.all(packed[:, 2, :, 1:] == 0) and np.all(packed[0, 2, :, 0] != 0)


# -- what is not finite -----------------------------------------------------------------------------


@pytest.mark.parametrize("height", [13, 90])
def test_nan_and_infinity_reach_their_windows_alone(height: int) -> None:
    x, weight = floats(1, 32, height, 29), floats(35, 32, 3, 3, seed=1)
    x[0, 3, 6, 6], x[0, 4, 12, 28], x[0, 5, 0, 17] = np.nan, np.inf, -np.inf
    weight[34, 7, 1, 1] = np.inf
    residual = floats(1, 35, height, 29, seed=3)
    op = Fused(Conv((1,), (1,)), Relu())
    arrays = [x, weight, floats(35, seed=2), residual]
    with np.errstate(all="ignore"):
        wanted = op.forward(np, *arrays)
    (found,) = run_natively(op, arrays, (1, 2), threads=2)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=ERROR, atol=1e-3)


def test_large_values_do_not_overflow_earlier() -> None:
    x = np.full((1, 32, 16, 16), 2e38, np.float32)
    weight = np.zeros((32, 32, 3, 3), np.float32)
    weight[:, 0, 1, 1] = 1
    (found,) = run_natively(Fused(Conv((1,), (1,))), [x, weight], (1,))
    np.testing.assert_array_equal(found, np.full((1, 32, 16, 16), 2e38, np.float32))


# -- bits -------------------------------------------------------------------------------------------


def drawn(batch: int, size: int) -> list[Array]:
    x = np.stack([floats(64, size, size, seed=n) for n in range(batch)])
    return [x, floats(64, 64, 3, 3, seed=100), floats(64, seed=101)]


@pytest.mark.parametrize("size", [14, 29, 90])
def test_bits_are_the_same_for_threads_and_batches(size: int) -> None:
    """In one step and in three, and for chunks of both sizes."""
    op = Fused(Conv((1,), (1,)), Relu())
    (alone,) = run_natively(op, drawn(1, size), (1, 2))
    for threads in (2, 3):
        (batched,) = run_natively(op, drawn(9, size), (1, 2), threads)
        np.testing.assert_array_equal(batched[:1].view(np.int32), alone.view(np.int32))
