"""Reshaping, joining, slicing: onnx's own vectors, symbolic sizes, and what is refused at run time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from netdsl.dims import Dim, dim, symbol
from netdsl.ops.contract.base import DataError, Op
from netdsl.ops.contract.rules import could_equal, share, sizes
from netdsl.ops.create.create import CausalMask, Constant, Range
from netdsl.ops.shape.join import Concat, Split
from netdsl.ops.shape.rearrange import Expand, Rearrange, Tile, Transpose
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze
from netdsl.ops.shape.slice import Slice
from netdsl.types import DType, tensor
from ops.vectors import Vector, check_vector, vectors

B, H, T = symbol("B"), symbol("H"), symbol("T")

# -- vectors ---------------------------------------------------------------------------------------

LEFT_OUT = {
    "reshape_zero_dim": "0 means `keep` there, and a size of 0 here",
    "reshape_zero_and_negative_dim": "0 means `keep` there, and a size of 0 here",
    "flatten_axis0": "adds an axis in front",
    "flatten_axis2": "merges the axes before the start too",
    "flatten_axis3": "merges the axes before the start too",
    "flatten_negative_axis1": "merges the axes before the start too",
    "flatten_negative_axis2": "merges the axes before the start too",
    "flatten_negative_axis4": "adds an axis in front",
    "split_1d_uneven_split_opset18": "the last part may be smaller there",
    "split_2d_uneven_split_opset18": "the last part may be smaller there",
}


def result_dtype(v: Vector) -> DType:
    return next(d for d in DType if d.numpy_name == str(v.outputs[0].dtype))


def transpose(v: Vector) -> list[Op]:
    rank = v.inputs[0].ndim
    return [Transpose(tuple(v.attributes.get("perm", range(rank)[::-1])))]


def expand(v: Vector) -> list[Op]:
    return [Expand(sizes(*np.broadcast_shapes(v.inputs[0].shape, tuple(v.inputs[1].tolist()))))]


def split(v: Vector) -> list[Op]:
    axis = v.attributes.get("axis", 0)
    if len(v.inputs) == 1:
        return [Split(len(v.outputs), axis=axis)]
    return [Split(sizes=sizes(*v.inputs[1].tolist()), axis=axis)]


def slices(v: Vector) -> list[Op]:
    """One slice per axis; axes are all axes and steps are 1 where the case leaves them out."""
    starts, stops, *rest = (values.tolist() for values in v.inputs[1:])
    axes = rest[0] if rest else range(len(starts))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    return [
        Slice(axis, dim(start), dim(stop), step)
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True)
    ]


def range_(v: Vector) -> list[Op]:
    start, stop, step = (int(n) for n in v.inputs)
    return [Range(dim(stop), dim(start), step, result_dtype(v))]


def constant(v: Vector) -> list[Op]:
    value = numpy_helper.to_array(v.attributes["value"]).item()
    return [Constant(value, sizes(*v.inputs[0].tolist()), result_dtype(v))]


OPERATORS: dict[str, Callable[[Vector], list[Op]]] = {
    "Reshape": lambda v: [Reshape(sizes(*v.inputs[1].tolist()))],
    "Flatten": lambda v: [Flatten(v.attributes.get("axis", 1))],
    "Squeeze": lambda v: [Squeeze(tuple(v.inputs[1].tolist()))],
    "Unsqueeze": lambda v: [Unsqueeze(axis) for axis in sorted(v.inputs[1].tolist())],
    "Transpose": transpose,
    "Expand": expand,
    "Tile": lambda v: [Tile(tuple(v.inputs[1].tolist()))],
    "Concat": lambda v: [Concat(v.attributes["axis"])],
    "Split": split,
    "Slice": slices,
    "Range": range_,
    "ConstantOfShape": constant,
}
"""From a case of each ONNX operator to ours, in order; an input of ONNX may be an attribute here."""

INPUTS = {"Concat": None, "Range": 0, "ConstantOfShape": 0}
"""How many inputs of a case are arrays to us, where that is not one."""


@pytest.mark.parametrize("vector", vectors(*OPERATORS, left_out=LEFT_OUT))
def test_onnx_vectors(vector: Vector, xp: Any) -> None:
    arrays = vector.inputs[: INPUTS.get(vector.op_type, 1)]
    check_vector(xp, vector, OPERATORS[vector.op_type](vector), *arrays)


# -- symbolic sizes --------------------------------------------------------------------------------


def shape_of(op: Op, *shape: Dim | int) -> tuple[Dim, ...]:
    found = op.shape(tensor("f32", *shape))
    assert not isinstance(found, tuple)
    return found.shape


def test_symbolic_shapes() -> None:
    assert shape_of(Reshape(sizes(B, -1)), B, 3, 4) == (B, 12)
    assert shape_of(Reshape(sizes(-1, 6)), B, 3, 4) == (B * 2, 6)
    assert shape_of(Reshape((B, T, dim(4), dim(-1))), B, T, 12) == (B, T, 4, 3)
    assert shape_of(Flatten(), B, 3, H, T) == (B, H * T * 3)
    assert shape_of(Tile((2, 3)), B, 4) == (B * 2, 12)
    heads = Rearrange((B, T, dim(4), dim(8)), (0, 2, 1, 3))
    assert shape_of(heads, B, T, 32) == (B, 4, T, 8)
    assert Concat(0).shape(tensor("f32", B, 3), tensor("f32", 2, 3)) == tensor("f32", B + 2, 3)
    assert Split(sizes=(T, dim(1))).shape(tensor("f32", T + 1)) == (tensor("f32", T), tensor("f32", 1))
    assert CausalMask(T, T + 1).shape() == tensor("bool", T, T + 1)


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [
        (None, None, 1, "T"),
        (1, None, 1, "max(0, T - 1)"),
        (None, -1, 1, "max(0, T - 1)"),
        (None, None, 2, "(T + 1)//2"),
        (None, 3, 1, "min(3, T)"),
        (-1, None, 1, "min(1, T)"),
        (None, None, -1, "T"),
        (5, 2, 1, "0"),
    ],
)
def test_slice_of_a_free_size(start: int | None, stop: int | None, step: int, expected: str) -> None:
    op = Slice(0, *(None if end is None else dim(end) for end in (start, stop)), step)
    assert str(*shape_of(op, T)) == expected


def test_slice_of_a_known_part_of_a_free_size() -> None:
    assert shape_of(Slice(0, dim(1)), T + 1) == (T,)
    assert shape_of(Slice(0, stop=T), T * 2) == (T,)
    assert shape_of(Slice(0, T), T + B) == (B,)
    assert shape_of(Slice(0, dim(-3)), T + 3) == (3,)


ENDS = (None, dim(-4), dim(-1), dim(0), dim(2), dim(9), T, B, T - B, B - 3, -T)


@pytest.mark.parametrize("start", ENDS, ids=str)
@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_symbolic_slice_means_what_python_means(start: Dim | None, step: int) -> None:
    for stop in ENDS:
        (length,) = shape_of(Slice(0, start, stop, step), T)
        for t, b in product((0, 1, 2, 3, 7), (0, 2, 5)):
            free = {"T": t, "B": b}
            ends = (None if end is None else end.evaluate(free) for end in (start, stop))
            assert length.evaluate(free) == len(range(t)[slice(*ends, step)]), f"{stop} at {free}"


@pytest.mark.parametrize("step", [1, 3, -1, -2])
def test_symbolic_range_means_what_python_means(step: int) -> None:
    for start, stop in product((dim(0), dim(4), T, B - 3, T + B), repeat=2):
        (found,) = Range(stop, start, step).shape().shape
        for t, b in product((0, 1, 4), (0, 2, 5)):
            free = {"T": t, "B": b}
            assert found.evaluate(free) == len(range(start.evaluate(free), stop.evaluate(free), step))


def test_sizes_that_only_run_time_can_compare() -> None:
    assert could_equal(H // 16 * 16, H)
    assert not could_equal(H // 16 * 16 + H + 1, H // 16 * 16)
    assert not could_equal(B, T)
    assert share(H, 2) == H // 2
    assert share(H * 2 + 1, 2) is None
    assert share(H * 6, H) == 6


# -- run time --------------------------------------------------------------------------------------


def test_sizes_that_turn_out_wrong(xp: Any) -> None:
    patches = Rearrange((H // 4, dim(4)), (1, 0))
    assert shape_of(patches, H) == (4, H // 4)
    with pytest.raises(DataError, match=r"\[7\] to \[1, 4\]"):
        patches.bind({"H": 7}).forward(xp, xp.zeros(7))
    with pytest.raises(DataError, match="size 7 into parts"):
        Split(2).forward(xp, xp.zeros(7))
    with pytest.raises(DataError, match="no value for -1"):
        Reshape(sizes(2, -1)).forward(xp, xp.zeros(7))


def test_an_empty_batch_infers_what_a_full_one_does(xp: Any) -> None:
    op = Reshape(sizes(B, -1))
    assert op.bind({"B": 0}).forward(xp, xp.zeros((0, 3, 4))).shape == (0, 12)


def test_mask_lets_later_queries_see_earlier_keys(xp: Any) -> None:
    mask = CausalMask(dim(2), dim(4)).forward(xp)
    assert mask.tolist() == [[True, True, True, False], [True, True, True, True]]


def test_range_rounds_once(xp: Any) -> None:
    """Here f16 has only every second or fourth integer, so that counting in f16 stands still."""
    numbers = Range(dim(4103), dim(4095), dtype=DType.F16).forward(xp)
    assert numbers.tolist() == [4096, 4096, 4096, 4096, 4100, 4100, 4100, 4104]
