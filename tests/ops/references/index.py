"""Slicing, gathering, scattering and sorting by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.index.gather import Gather, GatherElements, OneHot
from netdsl.ops.index.scatter import Scatter
from netdsl.ops.index.top_k import TopK
from netdsl.ops.shape.slice import Flip, Roll, Slice
from netdsl.types import DType
from ops.harness import as_tensor_proto, reference, run_onnx

LAST = np.iinfo(np.int64).max
FIRST = np.iinfo(np.int64).min


def ints(*values: Any) -> Any:
    return np.array([int(v) for v in values], np.int64)


def cut(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    return run_onnx("Slice", x, ints(start), ints(stop), ints(axis), ints(step))


@reference(Slice)
def slice_(op: Slice, x: Any) -> Any:
    start, stop = (0, LAST) if op.step > 0 else (LAST, FIRST)
    start = start if op.start is None else int(op.start)
    stop = stop if op.stop is None else int(op.stop)
    return cut(x, op.axis, start, stop, op.step)


@reference(Flip)
def flip(op: Flip, x: Any) -> Any:
    for axis in op.over or range(x.ndim):
        x = cut(x, axis, LAST, FIRST, -1)
    return x


@reference(Roll)
def roll(op: Roll, x: Any) -> Any:
    at = -op.shift % max(x.shape[op.axis], 1)
    return run_onnx("Concat", cut(x, op.axis, at, LAST), cut(x, op.axis, 0, at), axis=op.axis)


@reference(Gather)
def gather(op: Gather, x: Any, indices: Any) -> Any:
    return run_onnx("Gather", x, indices, axis=op.axis)


@reference(GatherElements)
def gather_elements(op: GatherElements, x: Any, indices: Any) -> Any:
    return run_onnx("GatherElements", x, indices, axis=op.axis)


@reference(Scatter)
def scatter(op: Scatter, x: Any, indices: Any, updates: Any) -> Any:
    return run_onnx("ScatterElements", x, indices, updates, axis=op.axis, reduction=op.reduce)


@reference(OneHot)
def one_hot(op: OneHot, indices: Any) -> Any:
    flat = indices.reshape(-1).astype(np.int64)
    y = run_onnx("OneHot", flat, ints(op.depth), np.array([0, 1], np.float32), axis=-1)
    to = {DType.F32: "FLOAT", DType.F64: "DOUBLE", DType.I64: "INT64", DType.BOOL: "BOOL"}[op.dtype]
    return run_onnx("Cast", y, to=as_tensor_proto(to)).reshape(*indices.shape, op.depth)


@reference(TopK)
def top_k(op: TopK, x: Any) -> Any:
    return run_onnx("TopK", x, ints(op.k), outputs=2, axis=op.axis, largest=int(op.largest), sorted=1)
