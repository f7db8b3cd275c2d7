"""Gradients of attention, normalisations, pools and slices, and transposed convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import check, close, floats, run_natively, step_of
from netdsl.dims import dim
from netdsl.ops.attention.attention_gradient import AttentionGradient
from netdsl.ops.conv.conv_transpose import ConvTranspose
from netdsl.ops.norm.local_response_norm import LocalResponseNormGradient
from netdsl.ops.norm.norm_gradient import LayerNormGradient
from netdsl.ops.pool.adaptive_gradient import AdaptiveAvgPoolGradient
from netdsl.ops.shape.slice import SliceGradient
from netruntime.native import accepts

Array = np.ndarray[Any, Any]

# -- attention --------------------------------------------------------------------------------------

ATTENTION = [
    # batch, heads, heads of keys, queries, keys, size, width
    (1, 1, 1, 1, 1, 1, 1),
    (2, 3, 3, 5, 7, 8, 16),
    (1, 4, 2, 17, 17, 20, 33),
    (2, 2, 1, 57, 57, 64, 64),
    (1, 2, 2, 113, 40, 16, 5),
    (1, 1, 1, 15, 1100, 12, 9),
]


def drawn(case: tuple[int, ...]) -> tuple[Array, Array, Array, Array]:
    batch, heads, groups, queries, keys, size, width = case
    dy, q = floats(batch, heads, queries, width), floats(batch, heads, queries, size, seed=1)
    return dy, q, floats(batch, groups, keys, size, seed=2), floats(batch, groups, keys, width, seed=3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("case", ATTENTION, ids=str)
def test_attention(case: tuple[int, ...], causal: bool) -> None:
    batch, heads, _, queries, keys, *_ = case
    check(AttentionGradient(None, causal), *drawn(case))
    for shape in [(batch, 1, 1, keys), (batch, heads, queries, keys), (queries, 1)]:
        keep = np.random.default_rng(5).integers(0, 3, shape).astype(bool)
        check(AttentionGradient(0.3, causal), *drawn(case), keep)


def test_attention_where_a_query_sees_no_key() -> None:
    keep = np.ones((2, 1, 5, 7), bool)
    keep[1, 0, 3] = keep[0] = False
    check(AttentionGradient(), *drawn((2, 3, 3, 5, 7, 8, 16)), keep)


def test_attention_with_a_bias_runs_on_numpy() -> None:
    step, _ = step_of(AttentionGradient(), [*drawn((1, 2, 2, 3, 4, 5, 6)), None, floats(3, 4)], [])
    assert not accepts(step)


def test_attention_with_large_scores() -> None:
    """The rounding of a score decides how wrong its power is: no further from f64 than by NumPy."""
    arrays, op = drawn((1, 2, 2, 9, 21, 8, 8)), AttentionGradient(100.0)
    exact = op.forward(np, *(array.astype(np.float64) for array in arrays))
    numpy = op.forward(np, *arrays)
    for found, other, right in zip(run_natively(op, arrays), numpy, exact, strict=True):
        allowed = 3 * np.abs(other - right).max() + 5e-6 * np.abs(right).max()
        assert np.abs(found - right).max() <= allowed


def test_attention_passes_nan_on_in_its_own_head() -> None:
    dy, q, k, v = drawn((1, 2, 2, 9, 21, 8, 8))
    k[0, 1, 4, 2] = np.nan
    op = AttentionGradient()
    _, wanted = step_of(op, [dy, q, k, v], [])
    for found, expected in zip(run_natively(op, [dy, q, k, v]), wanted, strict=True):
        close(found[:, 0], expected[:, 0])
        assert np.isnan(found[:, 1]).all() == np.isnan(expected[:, 1]).all()


def test_attention_has_the_same_bits_for_any_threads_and_batch() -> None:
    arrays = drawn((3, 4, 2, 70, 65, 24, 40))
    one, two = (run_natively(AttentionGradient(None, True), arrays, threads=n) for n in (1, 2))
    last = run_natively(AttentionGradient(None, True), [array[2:] for array in arrays])
    for a, b, c in zip(one, two, last, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[2:], c)


# -- normalisations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows, count", [(1, 1), (3, 5), (31, 16), (33, 17), (100, 130), (2100, 8)])
@pytest.mark.parametrize("centred", [True, False])
def test_layer_norm(rows: int, count: int, centred: bool) -> None:
    dy, x, weight = floats(rows, count), floats(rows, count, seed=1) * 2 + 3, floats(count, seed=2)
    check(LayerNormGradient(1, 1e-3, centred, True), dy, x, weight)
    check(LayerNormGradient(1, 1e-3, centred, True), dy, x, None)
    check(LayerNormGradient(1, 1e-3, centred), dy, x, weight)
    check(LayerNormGradient(1, 1e-3, centred), dy, x, None)


def test_layer_norm_has_the_same_bits_for_any_threads() -> None:
    arrays = [floats(700, 90), floats(700, 90, seed=1), floats(90, seed=2)]
    op = LayerNormGradient(1, 1e-5, bias=True)
    one, two = (run_natively(op, arrays, threads=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_layer_norm_passes_nan_and_infinity_on() -> None:
    dy, x, weight = floats(40, 20), floats(40, 20, seed=1), floats(20, seed=2)
    x[3, 4], x[35, 0], dy[7, 19] = np.nan, np.inf, -np.inf
    check(LayerNormGradient(1, 1e-5, bias=True), dy, x, weight)


@pytest.mark.parametrize("channels", [1, 3, 16, 21, 64])
@pytest.mark.parametrize("size, beta", [(5, 0.75), (4, 0.5), (1, 1.0)])
def test_local_response_norm(channels: int, size: int, beta: float) -> None:
    dy, x = floats(2, channels, 3, 5), floats(2, channels, 3, 5, seed=1) * 3
    check(LocalResponseNormGradient(size, 0.2, beta, 1.5), dy, x)


# -- pools, slices and convolutions -----------------------------------------------------------------


@pytest.mark.parametrize("bins, sizes", [((6, 6), (6, 6)), ((2, 3), (4, 9)), ((1, 1), (7, 5))])
def test_adaptive_means(bins: tuple[int, int], sizes: tuple[int, int]) -> None:
    shape = tuple(map(dim, (2, 19, *sizes)))
    check(AdaptiveAvgPoolGradient(bins, shape), floats(2, 19, *bins))


def test_adaptive_means_of_uneven_bins_run_on_numpy() -> None:
    op = AdaptiveAvgPoolGradient((2, 2), tuple(map(dim, (1, 3, 5, 4))))
    step, _ = step_of(op, [floats(1, 3, 2, 2)], [])
    assert not accepts(step)


@pytest.mark.parametrize(
    "axis, bounds, step", [(0, (1, 3), 1), (1, (0, 7), 3), (2, (8, 2), -2), (-1, (0, 9), 1)]
)
def test_slices(axis: int, bounds: tuple[int, int], step: int) -> None:
    shape = (4, 7, 9)
    taken = len(range(*bounds, step))
    flow = [taken if n == axis % 3 else size for n, size in enumerate(shape)]
    op = SliceGradient(axis, dim(shape[axis]), dim(bounds[0]), dim(bounds[1]), step)
    check(op, floats(*flow))


TRANSPOSED = [
    # batch, channels, size, outputs, window, stride, pad, more
    (1, 1, (3, 4), 1, (2, 2), (1,), (0,), (0,)),
    (2, 17, (4, 4), 33, (4, 4), (2,), (1,), (0,)),
    (1, 40, (5, 3), 3, (3, 3), (2,), (1,), (1,)),
    (2, 16, (6, 5), 16, (3, 2), (1, 2), (0, 1, 1, 0), (0,)),
    (1, 8, (4, 4), 20, (2, 2), (3,), (0,), (0,)),
]


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_transposed_convolutions(case: tuple[Any, ...]) -> None:
    batch, channels, size, outputs, window, stride, pad, more = case
    op = ConvTranspose(stride, pad, more)
    x, weight = floats(batch, channels, *size), floats(channels, outputs, *window, seed=1)
    check(op, x, weight, None)
    step, _ = step_of(op, [x, weight, floats(outputs)], [1, 2])
    assert accepts(step) is (max(stride) <= min(window))
    if accepts(step):
        check(op, x, weight, floats(outputs, seed=2))
