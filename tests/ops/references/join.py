"""Concatenation, stacking and splitting by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.shape.join import Concat, Split, Stack
from ops.harness import reference, run_onnx


@reference(Concat)
def concat(op: Concat, *xs: Any) -> Any:
    return run_onnx("Concat", *xs, axis=op.axis)


@reference(Stack)
def stack(op: Stack, *xs: Any) -> Any:
    new = np.array([op.axis], np.int64)
    return run_onnx("Concat", *(run_onnx("Unsqueeze", x, new) for x in xs), axis=op.axis)


@reference(Split)
def split(op: Split, x: Any) -> Any:
    if op.sizes is None:
        return run_onnx("Split", x, outputs=op.parts, num_outputs=op.parts, axis=op.axis)
    sizes = np.array([int(n) for n in op.sizes], np.int64)
    return run_onnx("Split", x, sizes, outputs=len(sizes), axis=op.axis)
