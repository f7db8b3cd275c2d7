"""Normalisations: onnx's own vectors, precision far from zero, and 16-bit floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops.contract.base import DataError, Op
from netdsl.ops.norm.group_norm import GroupNorm, InstanceNorm
from netdsl.ops.norm.local_response_norm import LocalResponseNorm
from netdsl.ops.norm.norm import BatchNorm, LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize, RMSNorm
from netdsl.types import tensor
from ops.vectors import Vector, check_vector, vectors

# -- vectors ---------------------------------------------------------------------------------------

LEFT_OUT = {
    "batchnorm_example_training_mode": "updates the statistics",
    "batchnorm_epsilon_training_mode": "updates the statistics",
    "l1normalization_axis_0": "p=1",
    "l1normalization_axis_1": "p=1",
    "l1normalization_axis_last": "p=1",
}


def over(v: Vector) -> tuple[int, ...]:
    """The axes from `axis` to the last."""
    rank = v.inputs[0].ndim
    return tuple(range(v.attributes.get("axis", -1) % rank, rank))


def local_response(v: Vector) -> Op:
    a = v.attributes
    return LocalResponseNorm(a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


def eps(v: Vector) -> float:
    return float(v.attributes.get("epsilon", 1e-5))


OPERATORS: dict[str, Callable[[Vector], Op]] = {
    "BatchNormalization": lambda v: BatchNorm(eps(v)),
    "LayerNormalization": lambda v: LayerNorm(over(v), eps(v)),
    "GroupNormalization": lambda v: GroupNorm(v.attributes["num_groups"], eps(v)),
    "InstanceNormalization": lambda v: InstanceNorm(eps(v)),
    "RMSNormalization": lambda v: RMSNorm(over(v), eps(v)),
    "LRN": local_response,
    "LpNormalization": lambda v: L2Normalize((v.attributes.get("axis", -1),)),
}


@pytest.mark.parametrize("vector", vectors(*OPERATORS, left_out=LEFT_OUT))
def test_onnx_vectors(vector: Vector, xp: Any) -> None:
    arrays = list(vector.inputs)
    if vector.op_type == "BatchNormalization":
        x, weight, bias, mean, var = arrays
        arrays = [x, mean, var, weight, bias]
    first = vector._replace(outputs=vector.outputs[:1])  # layer_norm's node also gives its statistics
    check_vector(xp, first, OPERATORS[vector.op_type](vector), *arrays)


# -- precision -------------------------------------------------------------------------------------


def to_numpy(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else array


@pytest.mark.parametrize("op", [LayerNorm((1, 2)), GroupNorm(4), InstanceNorm()])
@pytest.mark.parametrize("center", [1e4, -1e6])
def test_precise_far_from_zero(op: Op, center: float, xp: Any) -> None:
    """A one-pass variance loses all digits here, and even a mean rounded to f32 shifts the result."""
    exact = np.random.default_rng(0).normal(center, 1, (2, 4, 512)).astype(np.float32)
    expected = op.forward(np, exact.astype(np.float64))
    y = to_numpy(op.forward(xp, xp.asarray(exact)))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6)


CASES = [
    (LayerNorm(), [(3, 64), (64,), (64,)]),
    (GroupNorm(2), [(2, 4, 64), (4,), (4,)]),
    (InstanceNorm(), [(2, 4, 64), (4,), (4,)]),
    (BatchNorm(), [(2, 4, 64), (4,), (4,), (4,), (4,)]),
    (RMSNorm(), [(3, 64), (64,)]),
    (L2Normalize(), [(3, 64)]),
    (LocalResponseNorm(alpha=0.1), [(3, 8, 2)]),
]


@pytest.mark.parametrize(("op", "shapes"), CASES)
def test_f16_is_computed_in_f32(op: Op, shapes: list[tuple[int, ...]], xp: Any) -> None:
    """The squares of these numbers overflow f16, and the result is still rounded only once."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(400, 800, shape).astype(np.float16) for shape in shapes]
    y = to_numpy(op.forward(xp, *map(xp.asarray, arrays)))
    assert y.dtype == np.float16
    exact = op.forward(np, *(a.astype(np.float64) for a in arrays))
    np.testing.assert_allclose(y, exact, rtol=2.0**-10, atol=1e-3 * np.abs(exact).max())
    assert np.isfinite(y).all()


def test_constant_input_gives_the_bias(xp: Any) -> None:
    """Far from zero too: what is left of the mean's rounding must not be scaled up by 1 / sqrt(eps)."""
    x, bias = xp.full((2, 4, 7), 1234.567, dtype=xp.float32), xp.arange(4, dtype=xp.float32)
    for op in (GroupNorm(2), InstanceNorm()):
        y = to_numpy(op.forward(xp, x, None, bias))
        np.testing.assert_array_equal(y, np.broadcast_to(np.arange(4)[:, None], y.shape))
    assert not to_numpy(LayerNorm().forward(xp, x)).any()


def test_a_zero_vector_stays_zero(xp: Any) -> None:
    assert to_numpy(L2Normalize().forward(xp, xp.zeros((2, 3)))).tolist() == [[0, 0, 0]] * 2
    assert to_numpy(RMSNorm().forward(xp, xp.zeros((2, 3)))).tolist() == [[0, 0, 0]] * 2


def test_channels_that_turn_out_not_to_divide(xp: Any) -> None:
    op = GroupNorm(4)
    assert op.shape(tensor("f32", 2, symbol("C"), 3)) == tensor("f32", 2, symbol("C"), 3)
    with pytest.raises(DataError, match="6 channels into 4 equal groups"):
        op.forward(xp, xp.zeros((2, 6, 3)))


def test_weight_follows_the_order_of_the_axes(xp: Any) -> None:
    x = xp.asarray([[[1.0, 3.0]], [[5.0, 1.0]]])
    weight = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    y = to_numpy(RMSNorm((2, 0)).forward(xp, x, weight)) * 3
    np.testing.assert_allclose(y, [[[1, 6]], [[15, 4]]], rtol=1e-6)
