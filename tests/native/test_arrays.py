"""Operators on arrays of several axes: broadcasting, strides, norms, reductions, attention, gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from native.running import check, floats, library, run_natively, step_of
from netdsl.dims import dim
from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.elementwise.arithmetic import Add, Divide, Maximum, Minimum, Multiply, Subtract
from netdsl.ops.elementwise.comparison import LogicalAnd, LogicalOr, LogicalXor
from netdsl.ops.index.gather import Gather
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.norm.group_norm import GroupNorm, InstanceNorm
from netdsl.ops.norm.norm import LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize, RMSNorm
from netdsl.ops.reduce.reduce import Max, Mean, Min, Sum
from netdsl.ops.shape.join import Concat, Split, Stack
from netdsl.ops.shape.rearrange import Expand, Rearrange, Tile, Transpose
from netdsl.ops.shape.slice import Flip, Roll, Slice

Array = np.ndarray[Any, Any]
BINARIES = [Add(), Subtract(), Multiply(), Divide(), Minimum(), Maximum()]
SHAPES = [
    ((5000,), (5000,)),
    ((3, 1, 17), (4, 1)),
    ((2, 1, 3, 1, 5), (1, 4, 1, 6, 1)),
    ((7, 33), (33,)),
    ((7, 33), (7, 1)),
    ((), (3, 19)),
]


@pytest.mark.parametrize("op", BINARIES, ids=str)
@pytest.mark.parametrize("a, b", SHAPES, ids=str)
def test_broadcasting(op: Any, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check(op, floats(*a), floats(*b, seed=1))


@pytest.mark.parametrize("op", BINARIES, ids=str)
def test_special_values_of_two(op: Any) -> None:
    some = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -1.0], np.float32)
    _, (wanted,) = step_of(op, [some[:, None], some], [])
    (found,) = run_natively(op, [some[:, None], some])
    np.testing.assert_array_equal(found, wanted)


VIEWS = [
    Transpose((2, 0, 1)),
    Flip((0, 2)),
    Slice(1, dim(1), dim(5), 2),
    Slice(2, dim(-1), dim(0), -3),
    Rearrange((dim(3), dim(2), dim(3), dim(19)), (0, 2, 3, 1), (1, 2, 1)),
    Rearrange((dim(3), dim(2), dim(3), dim(19)), (1, 0, 2, 3)),
    Expand((dim(2), dim(3), dim(6), dim(19))),
    Tile((2, 1, 3)),
    Roll(-4, 1),
    Roll(6, 1),
]


@pytest.mark.parametrize("op", VIEWS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bool", "int64", "float16"])
def test_views_are_exact(op: Any, dtype: str) -> None:
    x = (floats(3, 6, 19) * 9).astype(dtype)
    _, (wanted,) = step_of(op, [x], [])
    (found,) = run_natively(op, [x])
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


def test_joins_and_splits() -> None:
    x, y = floats(3, 5, 7), floats(3, 2, 7, seed=1)
    check(Concat(1), x, y, x)
    check(Concat(-2), x, y)
    check(Stack(1), x, x + 1)
    check(Split(sizes=(dim(1), dim(4)), axis=1), x)


@pytest.mark.parametrize("size", [1, 3, 16, 17, 31, 64, 250])
def test_norms(size: int) -> None:
    x, weight, bias = floats(5, size) * 3 + 100, floats(size, seed=1), floats(size, seed=2)
    check(LayerNorm(), x, weight, bias)
    check(LayerNorm(eps=0.3), x, None, bias)
    check(RMSNorm(), x, weight)
    check(L2Normalize(), x)
    check(LayerNorm((0, 2)), floats(4, 3, size), floats(4, size), None)
    check(L2Normalize((1,)), floats(4, 3, size))


def test_norms_of_groups() -> None:
    x, weight, bias = floats(2, 6, 5, 7) + 9, floats(6, seed=1), floats(6, seed=2)
    check(GroupNorm(3), x, weight, bias)
    check(GroupNorm(1), x, None, bias)
    check(InstanceNorm(), x, weight, bias)


@pytest.mark.parametrize("op", [Softmax, LogSoftmax], ids=lambda op: op.name)
@pytest.mark.parametrize("over", [(-1,), (1,), (0, 2), (0, 1, 2)], ids=str)
def test_softmax(op: Any, over: tuple[int, ...]) -> None:
    for size in (1, 5, 16, 37):
        x = floats(3, 6, size) * 20
        keep = np.random.default_rng(1).random((6, size)) < 0.6
        keep[2] = False
        check(op(over), x)
        check(op(over), x, keep)


def test_softmax_of_special_values() -> None:
    x = floats(6, 20)
    x[0, 3], x[1, 3], x[2, 3], x[3] = np.nan, np.inf, -np.inf, -np.inf
    for op in (Softmax(), LogSoftmax(), Softmax((0,))):
        check(op, x)


@pytest.mark.parametrize("op", [Sum, Mean, Max, Min], ids=lambda op: op.name)
@pytest.mark.parametrize("over", [(), (-1,), (0,), (1,), (0, 2)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(op: Any, over: tuple[int, ...], keepdims: bool) -> None:
    for size in (1, 5, 16, 37):
        x = floats(3, 6, size) + 2  # sums that nearly cancel would have no digits
        check(op(over, keepdims), x)
        if op in (Sum, Mean):
            check(op(over, keepdims), x, np.random.default_rng(1).random((3, 1, size)) < 0.5)
    x[1, 2, 3] = np.nan
    check(op(over, keepdims), x)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "queries, keys", [(1, 1), (1, 40), (14, 14), (29, 30), (5, 3), (33, 700), (20, 1025)]
)
def test_attention(causal: bool, queries: int, keys: int) -> None:
    q, k, v = floats(2, 4, queries, 9), floats(2, 2, keys, 9, seed=1) * 3, floats(2, 2, keys, 21, seed=2)
    keep = np.random.default_rng(1).random((2, 1, queries, keys)) < 0.7
    keep[0, 0, 0] = False
    bias = floats(4, 1, keys, seed=4)
    check(Attention(causal=causal), q, k, v)
    check(Attention(0.7, causal), q, k, v, keep)
    check(Attention(causal=causal), q, k, v, None, bias)
    check(Attention(causal=causal), q, k, v, keep[:, :, :1], bias)


def test_attention_over_keys_that_come_late() -> None:
    """The first block of keys is masked, or far below the second one."""
    q, k, v = floats(1, 1, 3, 8), floats(1, 1, 600, 8, seed=1), floats(1, 1, 600, 8, seed=2)
    keep = np.arange(600) > 520
    check(Attention(), q, k, v, keep)
    k[..., 550, :] = q[..., 0, :] * 500
    check(Attention(), q, k, v)


def test_attention_passes_nan_and_infinity_on() -> None:
    q, k, v = floats(1, 1, 3, 8), floats(1, 1, 20, 8, seed=1), floats(1, 1, 20, 8, seed=2)
    q[0, 0, 1, 2], v[0, 0, 3, 4] = np.nan, np.inf
    check(Attention(), q, k, v)


def test_attention_has_the_same_bits_for_threads_and_batches() -> None:
    q, k, v = (floats(3, 2, 61, 24, seed=seed) for seed in range(3))
    op = Attention(causal=True)
    (both,) = run_natively(op, [q, k, v], threads=2)
    (one,) = run_natively(op, [q[1:2], k[1:2], v[1:2]])
    np.testing.assert_array_equal(both[1:2], one)


@pytest.mark.parametrize("ids", ["int32", "int64"])
def test_gather(ids: str) -> None:
    places = np.array([[0, 4, -1], [2, -5, 3]], ids)
    check(Gather(), floats(5, 33), places)
    check(Gather(1), floats(2, 5, 3), places)
    check(Gather(-1), floats(2, 5), places)


LOOKUP = """net 1.0

model Lookup(ids: i64[B]) -> y: f32[B, 3] {
  return ids -> embed: Embedding(5, 3) -> relu
}
"""


@pytest.mark.parametrize("place", [5, -6])
def test_an_id_out_of_range_is_an_error_of_its_operator(place: int) -> None:
    """From the first call, and from a later one, which goes straight to the native run."""
    library()
    net, on_numpy = nr.load(LOOKUP, engine="native"), nr.load(LOOKUP, engine="numpy")
    right, wrong = np.array([0, 4, 2]), np.array([1, place, 0])
    with pytest.raises(nr.DataInputError) as expected:
        on_numpy.run({"ids": wrong})
    for _ in range(2):
        with pytest.raises(nr.DataInputError) as raised:
            net.run({"ids": wrong})
        assert str(raised.value) == str(expected.value)
        np.testing.assert_array_equal(net.run({"ids": right})["y"], on_numpy.run({"ids": right})["y"])


EQUATIONS = [
    ("bhtd,bhsd->bhts", (2, 3, 5, 7), (2, 3, 33, 7)),
    ("bhts,bhsd->bthd", (2, 3, 5, 33), (2, 3, 33, 18)),
    ("bthd, hdo -> bto", (2, 3, 4, 5), (4, 5, 6)),
    ("ki,jk->ji", (9, 5), (20, 9)),
    ("bi,bi->b", (4, 3), (4, 3)),
]


@pytest.mark.parametrize("equation, a, b", EQUATIONS, ids=str)
def test_einsum(equation: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check(Einsum(equation), floats(*a), floats(*b, seed=1))


@pytest.mark.parametrize("rows", [1, 5, 15, 60])
def test_matmul(rows: int) -> None:
    check(MatMul(), floats(rows, 20), floats(20, 33, seed=1))
    check(MatMul(), floats(2, 3, rows, 20), floats(20, 33, seed=1))
    check(MatMul(), floats(2, 1, rows, 20), floats(3, 20, 33, seed=1))


@pytest.mark.parametrize("op", [LogicalAnd(), LogicalOr(), LogicalXor()], ids=str)
def test_logic(op: Any) -> None:
    a, b = floats(3, 1, 17) > 0, floats(5, 17, seed=1) > 0
    _, (wanted,) = step_of(op, [a, b], [])
    (found,) = run_natively(op, [a, b])
    np.testing.assert_array_equal(found, wanted)
