"""Runs one operator by its native kernel, without a network around it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest

from netdsl.graph import Port
from netdsl.ops.contract.base import Op
from netdsl.ops.conv.conv import Conv
from netdsl.ops.linear.linear import Linear
from netdsl.types import DType
from netruntime.native import Step, accepts, compile_steps, load_library
from netruntime.native.fused import Fused
from netruntime.native.library import Library
from netruntime.native.run import NativeRun
from netruntime.native.steps import ArrayType

Array = np.ndarray[Any, Any]
DTYPES = {dtype.numpy_name: dtype.value for dtype in DType}


def library() -> Library:
    """The native engine; the test is skipped where it was not built."""
    found = load_library()
    if found is None:
        pytest.skip("the native engine was not built: make native")
    return found


def step_of(op: Op, arrays: Sequence[Array | None], constants: Collection[int]) -> tuple[Step, list[Array]]:
    """The step that reads these arrays, those in `constants` as weights, and its results by NumPy."""
    with np.errstate(all="ignore"):
        result = op.forward(np, *arrays)
    results = list(result) if isinstance(result, tuple) else [result]
    node = len(arrays)
    types: dict[Port, ArrayType] = {(node, n): _type(array) for n, array in enumerate(results)}
    types |= {(n, 0): _type(array) for n, array in enumerate(arrays) if array is not None}
    inputs = tuple(None if array is None else (n, 0) for n, array in enumerate(arrays))
    weights = frozenset((n, 0) for n in constants)
    return Step(node, op, inputs, len(results), types, weights), results


def _type(array: Array) -> ArrayType:
    return ArrayType(DTYPES[str(array.dtype)], array.shape)


def run_natively(
    op: Op, arrays: Sequence[Array | None], constants: Collection[int] = (), threads: int = 1
) -> list[Array]:
    """The outputs by the native kernel. Fails if there is none."""
    run = compiled(op, arrays, constants, threads)
    return list(run(*(arrays[port[0]] for port in (*run.inputs, *run.weights))))


def compiled(
    op: Op, arrays: Sequence[Array | None], constants: Collection[int] = (), threads: int = 1
) -> NativeRun:
    """The operator as a run for arrays like these. Fails if there is no native kernel."""
    step, _ = step_of(op, arrays, constants)
    assert accepts(step), f"{op} has no native kernel for {[a if a is None else a.shape for a in arrays]}"
    results = [(step.node, n) for n in range(step.outputs)]
    return compile_steps([step], {}, results, step.types, library(), lambda: threads)


WEIGHTS = {Conv: (1, 2), Linear: (1, 2), Fused: (1, 2)}
"""The inputs that are weights: packed once, or in each run if they are computed."""


def constants_of(op: Op, arrays: list[Array | None]) -> list[int]:
    return [n for n in WEIGHTS.get(type(op), ()) if n < len(arrays) and arrays[n] is not None]


def close(found: Array, wanted: Array) -> None:
    """Equal within the rounding of sums: a few units in the last place of the largest term."""
    assert found.shape == wanted.shape
    finite = np.abs(wanted[np.isfinite(wanted)])
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=3e-6 * (finite.max() if finite.size else 1))


def check(op: Op, *arrays: Array | None) -> None:
    given = list(arrays)
    constants = constants_of(op, given)
    _, wanted = step_of(op, given, constants)
    for fixed in [constants, []] if constants else [[]]:
        for found, expected in zip(run_natively(op, given, fixed), wanted, strict=True):
            close(found, expected)


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
