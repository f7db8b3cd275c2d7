"""Matrix products and einsum: onnx's own vectors, symbolic sizes, costs, and 16-bit sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops.contract.base import OpError
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.numerics import functions as numerics
from netdsl.types import tensor
from ops.test_conformance import to_numpy
from ops.vectors import Vector, check_vector, vector, vectors

B, T, S, D = (symbol(name) for name in "BTSD")


@pytest.mark.parametrize("item", vectors("MatMul"))
def test_onnx_matmul(item: Vector, xp: Any) -> None:
    check_vector(xp, item, MatMul(), *item.inputs)


# Left out: einsum_batch_diagonal (has `...`) and einsum_inner_prod (has no `->`), both refused;
# the sums in bfloat16, which NumPy takes in bfloat16 and we in f32.
@pytest.mark.parametrize(
    "name",
    ["einsum_transpose", "einsum_sum", "einsum_batch_matmul", "einsum_scalar", "einsum_transpose_bfloat16"],
)
def test_onnx_einsum(name: str, xp: Any) -> None:
    item = vector(name)
    check_vector(xp, item, Einsum(item.attributes["equation"].decode()), *item.inputs)


# Linear takes no factors and no transposed operands; a transposed weight is ours to transpose.
@pytest.mark.parametrize(
    "name", ["gemm_default_no_bias", "gemm_transposeB", "gemm_default_vector_bias", "gemm_default_zero_bias"]
)
def test_onnx_gemm(name: str, xp: Any) -> None:
    item = vector(name)
    x, weight, *bias = item.inputs
    if item.attributes.get("transB"):
        weight = weight.T
    check_vector(xp, item, Linear(), x, weight, *(b.reshape(-1) for b in bias))


def test_sums_of_f16_are_taken_in_f32(xp: Any) -> None:
    # added up in f16, each 0.25 that meets the 1024 is lost: it is less than half a unit there
    x = xp.full((1, 4096), 0.25, dtype="float16")
    x[0, 0] = 1024
    ones = xp.ones((4096, 1), dtype="float16")
    for y in (
        MatMul().forward(xp, x, ones),
        Linear().forward(xp, x, ones),
        Einsum("ik,kj->ij").forward(xp, x, ones),
        Einsum("ik->i").forward(xp, x),
        Einsum("kj->j").forward(xp, xp.ascontiguousarray(xp.concatenate([x, x]).T)),
    ):
        assert y.dtype == "float16" and float(y.reshape(-1)[0]) == 2048


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bthd,bshd->bhts", [(2, 3, 4, 5), (2, 6, 4, 5)]),
        ("bhts,bshd->bthd", [(2, 4, 3, 6), (2, 6, 4, 5)]),
        ("tbi,bio->tbo", [(3, 2, 4), (2, 4, 5)]),
        ("abc,abc->cba", [(2, 3, 4), (2, 3, 4)]),
        ("iji,jj->ij", [(3, 4, 3), (4, 4)]),
        ("ab,cd->dacb", [(2, 3), (4, 5)]),
        ("ab,bc,cd,de->ae", [(2, 3), (3, 4), (4, 5), (5, 6)]),
        ("ab,ab,ab->b", [(2, 3), (2, 3), (2, 3)]),
    ],
)
def test_einsum_agrees_with_numpys_own(equation: str, shapes: list[tuple[int, ...]], xp: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    ours = Einsum(equation).forward(xp, *(xp.asarray(a) for a in arrays))
    np.testing.assert_allclose(to_numpy(ours), np.einsum(equation, *arrays), rtol=1e-12, atol=1e-13)


def test_einsum_multiplies_matrices_rather_than_looping(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def spy(xp: Any, a: Any, b: Any) -> Any:
        shapes.append((*a.shape, *b.shape))
        return xp.matmul(a, b)

    monkeypatch.setattr(numerics, "matmul", spy)
    Einsum("bthd,bshd->bhts").forward(np, np.ones((2, 3, 4, 5)), np.ones((2, 6, 4, 5)))
    assert shapes == [(8, 3, 5, 8, 5, 6)]


def test_products_of_symbolic_sizes() -> None:
    x, weight = tensor("f32", B, T, 64), tensor("f32", 64, 256)
    assert Linear().shape(x, weight) == tensor("f32", B, T, 256)
    assert Linear().cost(x, weight) == B * T * 64 * 256
    assert MatMul().shape(x, weight) == tensor("f32", B, T, 256)
    assert MatMul().cost(x, weight) == B * T * 64 * 256
    q, k = tensor("f32", B, 8, T, D), tensor("f32", B, 8, S, D)
    assert Einsum("bhtd,bhsd->bhts").shape(q, k) == tensor("f32", B, 8, T, S)
    assert Einsum("bhtd,bhsd->bhts").cost(q, k) == B * 8 * T * S * D


@pytest.mark.parametrize(
    ("equation", "shapes", "cost"),
    [
        ("ab->a", [(3, 5)], 0),
        ("ab,bc->ac", [(2, 3), (3, 5)], 30),
        ("abx,by->a", [(2, 3, 7), (3, 11)], 6),  # x and y are summed first
        ("ab,bc,cd->ad", [(2, 3), (3, 5), (5, 7)], 30 + 70),
        ("ab,ab->ab", [(2, 3), (2, 3)], 6),
    ],
)
def test_einsum_cost(equation: str, shapes: list[tuple[int, ...]], cost: int) -> None:
    assert Einsum(equation).cost(*(tensor("f32", *shape) for shape in shapes)) == cost


def test_sizes_that_might_differ_are_refused() -> None:
    with pytest.raises(OpError, match="`d` is D in"):
        Einsum("td,sd->ts").shape(tensor("f32", T, D), tensor("f32", S, 64))
    with pytest.raises(OpError) as caught:
        MatMul().shape(tensor("f32", B, T, D), tensor("f32", B, S, 4))
    assert caught.value.at == (("a", 2), ("b", 1))
