"""Gathering, scattering and sorting: onnx's vectors, indices out of range, ties, and element types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netdsl.ops.contract.base import DataError, Op
from netdsl.ops.index.gather import Gather, GatherElements, OneHot
from netdsl.ops.index.scatter import Scatter
from netdsl.ops.index.top_k import TopK
from netdsl.types import DType
from ops.vectors import Vector, check_vector, vectors

# -- vectors ---------------------------------------------------------------------------------------

LEFT_OUT = {"scatter_elements_with_reduction_mul": "no products here"}

OPERATORS: dict[str, Callable[[Vector], Op]] = {
    "Gather": lambda v: Gather(v.attributes["axis"]),
    "GatherElements": lambda v: GatherElements(v.attributes["axis"]),
    "ScatterElements": lambda v: Scatter(
        v.attributes.get("axis", 0), v.attributes.get("reduction", b"none").decode()
    ),
    "TopK": lambda v: TopK(int(v.inputs[1][0]), v.attributes["axis"], bool(v.attributes.get("largest", 1))),
}


@pytest.mark.parametrize("vector", vectors(*OPERATORS, left_out=LEFT_OUT))
def test_onnx_vectors(vector: Vector, xp: Any) -> None:
    arrays = vector.inputs[:1] if vector.op_type == "TopK" else vector.inputs
    check_vector(xp, vector, OPERATORS[vector.op_type](vector), *arrays)


ONE_HOT_LEFT_OUT = {"onehot_out_of_range_indices": "an error here"}


@pytest.mark.parametrize("vector", vectors("OneHot", left_out=ONE_HOT_LEFT_OUT))
def test_onnx_one_hot_vectors(vector: Vector, xp: Any) -> None:
    """Two values other than 0 and 1, and the place of the new axis, are added here."""
    indices, depth, (off, on) = vector.inputs
    y = OneHot(int(np.max(depth)), DType.BOOL).forward(xp, xp.asarray(indices.astype(np.int64)))
    expected = np.moveaxis(vector.outputs[0], vector.attributes.get("axis", -1), -1)
    assert xp.where(y, float(on), float(off)).tolist() == expected.astype(float).tolist()


# -- indices out of range --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "shape"),
    [(Gather(1), (2, 3)), (GatherElements(1), (2, 3)), (Scatter(1), (2, 3)), (OneHot(3), None)],
)
@pytest.mark.parametrize("wrong", [3, -4])
def test_an_index_out_of_range_is_named(op: Op, shape: Any, wrong: int, xp: Any) -> None:
    indices = xp.asarray([[0, 2], [wrong, -3]])
    arrays = [] if shape is None else [xp.zeros(shape)]
    arrays += [indices, xp.zeros((2, 2))] if isinstance(op, Scatter) else [indices]
    with pytest.raises(
        DataError, match=rf"index {wrong} at position \[1, 0\], out of range for .* of size 3"
    ):
        op.forward(xp, *arrays)


def test_an_empty_axis_has_no_index(xp: Any) -> None:
    with pytest.raises(DataError, match=r"index 0 at position \[0\], out of range for axis 0 of size 0"):
        Gather().forward(xp, xp.zeros((0, 3)), xp.asarray([0]))
    assert Gather().forward(xp, xp.zeros((0, 3)), xp.zeros(0, dtype=xp.int64)).shape == (0, 3)
    with pytest.raises(DataError, match=r"position \[\]"):
        Gather().forward(xp, xp.zeros(3), xp.asarray(7))


def test_small_unsigned_indices(xp: Any) -> None:
    """Index 200 as i8 would be -56."""
    x = xp.arange(300)
    assert Gather().forward(xp, x, xp.asarray([200, 255], dtype=xp.uint8)).tolist() == [200, 255]


# -- scattering ------------------------------------------------------------------------------------

INTEGERS = ["int8", "uint8", "int32", "int64"]


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("reduce", "expected"), [("add", [12, 2, 3]), ("max", [6, 2, 3]), ("min", [1, 2, 3])]
)
def test_scatter_folds_in_every_element_type(dtype: str, reduce: str, expected: Any, xp: Any) -> None:
    x, updates = xp.asarray([1, 2, 3], dtype=dtype), xp.asarray([5, 6], dtype=dtype)
    y = Scatter(0, reduce).forward(xp, x, xp.asarray([0, -3]), updates)
    assert (y.dtype, y.tolist()) == (x.dtype, expected)


def test_scatter_of_large_and_negative_integers(xp: Any) -> None:
    x = xp.asarray([-(2**62), 2**62 + 1, -1])
    where, updates = xp.asarray([0, 1, 2]), xp.asarray([-(2**62) - 1, 2**62 + 2, 1])
    results = [Scatter(0, name).forward(xp, x, where, updates).tolist() for name in ("max", "min")]
    assert results == [[-(2**62), 2**62 + 2, 1], [-(2**62) - 1, 2**62 + 1, -1]]
    assert Scatter(0, "add").forward(xp, x[2:], where[:1], updates[:1]).tolist() == [-(2**62) - 2]


def test_scatter_adds_f16_in_f32(xp: Any) -> None:
    """In f16, adding 1 to 2048 changes nothing."""
    ones = xp.ones(4096, dtype=xp.float16)
    y = Scatter(0, "add").forward(xp, xp.zeros(1, xp.float16), xp.zeros(4096, xp.int64), ones)
    assert y.tolist() == [4096]


def test_scatter_of_booleans_writes(xp: Any) -> None:
    y = Scatter().forward(xp, xp.zeros(3, bool), xp.asarray([1]), xp.ones(1, bool))
    assert y.tolist() == [False, True, False]


# -- sorting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("largest", "expected"), [(True, [1, 3, 0, 2]), (False, [0, 2, 4, 1])])
def test_equal_elements_keep_their_order(largest: bool, expected: list[int], xp: Any) -> None:
    _, order = TopK(4, largest=largest).forward(xp, xp.asarray([1.0, 2.0, 1.0, 2.0, 1.0]))
    assert order.tolist() == expected


def test_top_k_of_extreme_numbers(xp: Any) -> None:
    values, _ = TopK(2).forward(xp, xp.asarray([-128, 127, 0], dtype=xp.int8))
    assert values.tolist() == [127, 0]
    values, order = TopK(3).forward(xp, xp.asarray([1.0, float("nan"), float("inf")]))
    assert order.tolist() == [1, 2, 0]
    values, order = TopK(3, largest=False).forward(xp, xp.asarray([float("nan"), -float("inf"), 1.0]))
    assert order.tolist() == [1, 2, 0]


def test_top_k_of_an_axis_that_turns_out_short(xp: Any) -> None:
    with pytest.raises(DataError, match="cannot take 4 elements of axis -1, which has size 3"):
        TopK(4).forward(xp, xp.zeros((2, 3)))
