"""Shape operators by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netdsl.ops.shape.rearrange import Expand, Rearrange, Tile, Transpose
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze
from ops.harness import reference, run_onnx


def ints(values: Sequence[Any]) -> Any:
    return np.array([int(v) for v in values], np.int64)


@reference(Reshape)
def reshape(op: Reshape, x: Any) -> Any:
    if x.size == 0:  # onnxruntime refuses to infer a size next to a 0
        return np.zeros((0, 12), x.dtype)
    return run_onnx("Reshape", x, ints(op.sizes), allowzero=1)


@reference(Flatten)
def flatten(op: Flatten, x: Any) -> Any:
    y = run_onnx("Flatten", x, axis=op.start)
    return y.reshape(*x.shape[: op.start], y.shape[1])


@reference(Squeeze)
def squeeze(op: Squeeze, x: Any) -> Any:
    return run_onnx("Squeeze", x, ints(op.over or range(x.ndim)))


@reference(Unsqueeze)
def unsqueeze(op: Unsqueeze, x: Any) -> Any:
    return run_onnx("Unsqueeze", x, ints([op.axis]))


@reference(Transpose)
def transpose(op: Transpose, x: Any) -> Any:
    return run_onnx("Transpose", x, perm=[axis % x.ndim for axis in op.order]) if x.ndim else x


@reference(Rearrange)
def rearrange(op: Rearrange, x: Any) -> Any:
    y = run_onnx("Reshape", x, ints(op.split), allowzero=1)
    if op.order:
        y = run_onnx("Transpose", y, perm=list(op.order))
    merged, axis = [], 0
    for count in op.merge or (1,) * y.ndim:
        merged.append(np.prod(y.shape[axis : axis + count]))
        axis += count
    return run_onnx("Reshape", y, ints(merged), allowzero=1)


@reference(Expand)
def expand(op: Expand, x: Any) -> Any:
    return run_onnx("Expand", x, ints(op.sizes))


@reference(Tile)
def tile(op: Tile, x: Any) -> Any:
    return run_onnx("Tile", x, ints(op.repeats))
