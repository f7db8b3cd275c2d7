"""Attention and positions: onnx's own vectors, a cached prefix, rows that keep nothing, published slopes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.positions import Alibi, Rotary, alibi_slopes
from netdsl.ops.contract.base import OpError
from netdsl.types import tensor
from ops.test_conformance import to_numpy
from ops.vectors import Vector, check_vector, vectors

# -- onnx's vectors -------------------------------------------------------------------------------

UNSUPPORTED = {
    "softcap": "no bound on scores",
    "window": "no sliding window; `keep` writes one",
    "nonpad": "lengths per batch row; `keep` writes them",
    "padded_kv": "a mask shorter than the keys, with lengths per batch row",
    "bf16": "onnx's reference rounds each step to bfloat16; ours takes sums in f32",
}


def supported() -> list[Any]:
    return [p for p in vectors("Attention") if not any(word in str(p.id) for word in UNSUPPORTED)]


def split_heads(x: Any, heads: int) -> Any:
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("item", supported())
def test_onnx_attention(item: Vector, xp: Any) -> None:
    inputs = [*item.inputs, None, None, None][:6]
    q, k, v, mask, past_k, past_v = inputs
    y = item.outputs[0]
    if q.ndim == 3:
        heads, groups = item.attributes["q_num_heads"], item.attributes["kv_num_heads"]
        q, k, v, y = (
            split_heads(q, heads),
            split_heads(k, groups),
            split_heads(v, groups),
            split_heads(y, heads),
        )
    past = 0 if past_k is None else past_k.shape[2]
    if past:
        k, v = np.concatenate([past_k, k], axis=2), np.concatenate([past_v, v], axis=2)
    keep, bias = (mask, None) if mask is not None and mask.dtype == bool else (None, mask)
    causal = bool(item.attributes.get("is_causal", 0))
    if causal and past != k.shape[2] - q.shape[2]:
        # ONNX aligns the first query with the first key after the cache, we the last with the last
        causal, keep = False, np.tri(q.shape[2], k.shape[2], past, dtype=bool)
    op = Attention(item.attributes.get("scale"), causal)
    limits = {"rtol": 2**-9, "atol": 2**-10} if q.dtype == np.float16 else {}
    check_vector(xp, item._replace(outputs=[y]), op, q, k, v, keep, bias, **limits)


# -- meaning --------------------------------------------------------------------------------------


def make(xp: Any, *shape: int, seed: int = 0, dtype: str = "float64") -> Any:
    return xp.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def test_step_by_step_with_a_cache_equals_all_at_once(xp: Any) -> None:
    q, k, v = (make(xp, 2, 4, 6, 8, seed=n) for n in range(3))
    op = Attention(causal=True)
    whole = op.forward(xp, q, k, v)
    for stop, count in [(1, 1), (4, 3), (5, 1), (6, 6)]:
        part = op.forward(xp, q[:, :, stop - count : stop], k[:, :, :stop], v[:, :, :stop])
        np.testing.assert_allclose(to_numpy(part), to_numpy(whole[:, :, stop - count : stop]), rtol=1e-12)


def test_a_query_that_keeps_nothing_gives_zero(xp: Any) -> None:
    q, k, v = (make(xp, 1, 2, 3, 4, seed=n) for n in range(3))
    keep = xp.asarray([[False, False, False], [True, False, True], [False, False, False]])
    hidden = xp.asarray([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-math.inf] * 3])
    for y in (Attention().forward(xp, q, k, v, keep), Attention().forward(xp, q, k, v, None, hidden)):
        assert not to_numpy(y)[:, :, 2].any()
        assert np.isfinite(to_numpy(y)).all() and to_numpy(y)[:, :, 1].any()
    more_queries_than_keys = Attention(causal=True).forward(xp, q, k[:, :, :2], v[:, :, :2])
    assert not to_numpy(more_queries_than_keys)[:, :, 0].any()


def test_hidden_values_have_no_influence(xp: Any) -> None:
    q, k, v = (make(xp, 1, 1, 3, 4, seed=n) for n in range(3))
    keep = xp.asarray([True, True, False])
    changed_k, changed_v = k.copy(), v.copy()
    changed_k[:, :, 2] = 1e200
    changed_v[:, :, 2] = 1e200
    y = Attention().forward(xp, q, k, v, keep)
    np.testing.assert_array_equal(
        to_numpy(y), to_numpy(Attention().forward(xp, q, changed_k, changed_v, keep))
    )


def test_neighbouring_query_heads_share_a_key_head(xp: Any) -> None:
    q = make(xp, 2, 6, 3, 4)
    k, v = make(xp, 2, 2, 5, 4, seed=1), make(xp, 2, 2, 5, 4, seed=2)
    y = Attention().forward(xp, q, k, v)
    for head in range(6):
        one = slice(head, head + 1)
        shared = slice(head // 3, head // 3 + 1)
        alone = Attention().forward(xp, q[:, one], k[:, shared], v[:, shared])
        np.testing.assert_allclose(to_numpy(y[:, one]), to_numpy(alone), rtol=1e-12)


def test_large_scores_do_not_overflow(xp: Any) -> None:
    q = xp.full((1, 1, 2, 4), 100.0, dtype="float16")
    y = Attention().forward(xp, q, q, q)
    assert to_numpy(y).tolist() == [[[[100.0] * 4] * 2]] and y.dtype == "float16"


def test_sizes_may_be_symbols() -> None:
    b, t, s = symbol("B"), symbol("T"), symbol("S")
    q, k = tensor("f32", b, 8, t, 64), tensor("f32", b, 2, s, 64)
    v = tensor("f32", b, 2, s, 32)
    op = Attention(causal=True)
    assert op.shape(q, k, v, tensor("bool", b, 1, t, s)) == tensor("f32", b, 8, t, 32)
    assert op.cost(q, k, v) == b * 8 * t * s * (64 + 32)
    assert Rotary().shape(q, tensor("i64", b, t)) == q
    with pytest.raises(OpError, match="T on the left and S on the right"):
        op.shape(q, k, v, tensor("bool", b, 1, s, t))


# -- positions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotated_scores_depend_on_the_distance_alone(interleaved: bool, xp: Any) -> None:
    op = Rotary(interleaved=interleaved)
    q, k = make(xp, 1, 1, 1, 8, seed=1), make(xp, 1, 1, 1, 8, seed=2)
    scores = [
        float((op.forward(xp, q, xp.asarray([t])) * op.forward(xp, k, xp.asarray([s]))).sum())
        for t, s in [(5, 2), (1003, 1000), (3, 0)]
    ]
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-9)
    assert scores[0] != pytest.approx(float((q * k).sum()), rel=1e-3)


def test_rotary_turns_the_first_pair_by_the_position(xp: Any) -> None:
    x = xp.asarray([1.0, 0.0, 7.0, 7.0]).reshape(1, 1, 1, 4)
    for op, expected in [
        (Rotary(rotated=2), [math.cos(3), math.sin(3), 7, 7]),
        (Rotary(rotated=2, interleaved=True), [math.cos(3), math.sin(3), 7, 7]),
    ]:
        np.testing.assert_allclose(to_numpy(op.forward(xp, x, xp.asarray([3]))).reshape(4), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rotary_of_far_positions_is_exact(dtype: str, xp: Any) -> None:
    at = 1_000_003
    x = xp.asarray([1, 1, 1, 0, 0, 0], dtype=dtype).reshape(1, 1, 1, 6)
    angles = [at * 10000 ** (-pair / 3) for pair in range(3)]
    expected = [math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles]
    y = Rotary().forward(xp, x, xp.asarray([at]))
    assert y.dtype == dtype
    limit = 1e-7 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(to_numpy(y).reshape(6), expected, rtol=0, atol=limit)


@pytest.mark.parametrize(
    ("heads", "slopes"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (3, [2**-4, 2**-8, 2**-2]),
        (8, [2**-1, 2**-2, 2**-3, 2**-4, 2**-5, 2**-6, 2**-7, 2**-8]),
        (10, [2**-1, 2**-2, 2**-3, 2**-4, 2**-5, 2**-6, 2**-7, 2**-8, 2**-0.5, 2**-1.5]),
        (16, [2 ** (-n / 2) for n in range(1, 17)]),
    ],
)
def test_alibi_slopes_are_the_published_ones(heads: int, slopes: list[float]) -> None:
    assert alibi_slopes(heads) == pytest.approx(slopes, rel=1e-15)


def test_alibi_leaves_the_last_key_of_the_last_query(xp: Any) -> None:
    y = to_numpy(Alibi().forward(xp, xp.zeros((1, 1, 2, 3))))
    assert (y * 2**8).tolist() == [[[[-1, 0, 1], [-2, -1, 0]]]]


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        (Attention(0.3, causal=True), [(2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 6)]),
        (Rotary(), [(2, 3, 5, 8)]),
        (Alibi(), [(2, 6, 3, 5)]),
    ],
)
def test_f16_is_the_f32_result_rounded(op: Any, shapes: list[tuple[int, ...]], xp: Any) -> None:
    halves = [make(xp, *shape, seed=n, dtype="float16") for n, shape in enumerate(shapes)]
    half = op.forward(xp, *halves)
    assert half.dtype == "float16"
    expected = op.forward(xp, *(h.astype("float32") for h in halves))
    np.testing.assert_allclose(to_numpy(half), to_numpy(expected), rtol=2e-3, atol=2e-3)
