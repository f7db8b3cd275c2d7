"""Every operator on a device against NumPy: all element types, strides, NaN, and inputs left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.ops import REGISTRY
from netdsl.ops.contract.base import INTERNAL, Example, OpError
from netdsl.types import DType
from ops.drawing import sample, strided
from ops.harness import tolerance
from ops.test_conformance import as_tuple, run, type_of

pytest.importorskip("ml_dtypes")
cupy = pytest.importorskip("cupy", reason="needs a CUDA device, real or emulated")
if not cupy.cuda.is_available():
    pytest.skip("there is no CUDA device: make cuda, or make cuda-emulated", allow_module_level=True)

LOOSE = {"float16": 4e-3, "bfloat16": 4e-2}
"""Tolerances of 16-bit results: their sums are taken in f32, in another order."""

OPERATORS = sorted({**REGISTRY, **INTERNAL}.items())
CASES = [
    pytest.param(item, dtype, id=f"{name}-{n}-{dtype}")
    for name, cls in OPERATORS
    for n, item in enumerate(cls.examples())
    for dtype in DType
]
WITH_NAN = [
    pytest.param(item, id=f"{name}-{n}")
    for name, cls in OPERATORS
    for n, item in enumerate(cls.examples())
    if any(draw is not None and draw.dtype.is_float for draw in item.inputs) and not item.op.is_random
]


@pytest.mark.parametrize(("item", "dtype"), CASES)
def test_every_element_type(item: Example, dtype: DType) -> None:
    own = {draw.dtype for draw in item.inputs if draw is not None}
    if dtype not in own and not any(_varies(kind, dtype) for kind in own):
        return
    check(item, [_drawn(draw, dtype, f"{item.op}{n}") for n, draw in enumerate(item.inputs)])


@pytest.mark.parametrize("item", WITH_NAN)
def test_nan(item: Example) -> None:
    arrays = [sample(draw, DType.F32, f"{item.op}{n}") for n, draw in enumerate(item.inputs)]
    for array in arrays:
        if array is not None and array.dtype.kind == "f" and array.size:
            array.flat[array.size // 2] = np.nan
    check(item, arrays)


def check(item: Example, arrays: list[Any]) -> None:
    try:
        inferred = as_tuple(item.op.shape(*map(type_of, arrays)))
    except OpError:
        return
    for lay_out in (lambda array, xp: array, strided):
        there = [None if a is None else lay_out(cupy.asarray(a), cupy) for a in arrays]
        here = [None if a is None else lay_out(a, np) for a in arrays]
        found = run(item.op, cupy, there)
        assert all(isinstance(array, cupy.ndarray) for array in found)
        assert [type_of(array) for array in found] == list(inferred)
        for before, after in zip(arrays, there, strict=True):
            assert before is None or before.tobytes() == after.get().tobytes()
        if not item.op.is_random:
            with np.errstate(all="ignore"):
                expected = run(item.op, np, here)
            for ours, theirs in zip(found, expected, strict=True):
                assert_near(item, ours.get(), np.asarray(theirs))


def assert_near(item: Example, ours: Any, theirs: Any) -> None:
    loose = LOOSE.get(str(theirs.dtype))
    limits = {"rtol": loose, "atol": loose} if loose else tolerance(type(item.op), theirs.dtype)
    wide = np.float64 if loose or theirs.dtype.kind == "f" else theirs.dtype
    np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), **limits)


def _varies(own: DType, dtype: DType) -> bool:
    """Whether a draw of one element type is also made in another: f32 in any, integers in any integers."""
    return own is DType.F32 or (own.is_int and dtype.is_int)


def _drawn(draw: Any, dtype: DType, salt: str) -> Any:
    array = sample(draw, DType.F64 if dtype.is_int else dtype, salt)
    if draw is None or not _varies(draw.dtype, dtype):
        return array
    if dtype is DType.BOOL and draw.dtype is DType.F32:
        return array > 0.5
    if dtype is DType.U8:
        array = np.maximum(array, 0)
    return (array * (4 if draw.dtype is DType.F32 and dtype.is_int else 1)).astype(dtype.numpy_name)
