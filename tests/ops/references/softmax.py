"""Softmax by onnxruntime; several axes are flattened into one, masks are written as -inf."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from ops.harness import reference, run_onnx


@reference(Softmax)
def softmax(op: Softmax, x: Any, where: Any = None) -> Any:
    return _over_axes("Softmax", op.over, x, where, 0)


@reference(LogSoftmax)
def log_softmax(op: LogSoftmax, x: Any, where: Any = None) -> Any:
    return _over_axes("LogSoftmax", op.over, x, where, -np.inf)


def _over_axes(node: str, over: tuple[int, ...], x: Any, where: Any, nothing_kept: float) -> Any:
    axes = sorted(axis % x.ndim for axis in over)
    if x.size == 0:
        return x
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    if where is not None:
        x = np.where(where, x, -np.inf).astype(x.dtype)
    front = np.transpose(x, rest + axes)
    flat = front.reshape(*front.shape[: len(rest)], -1)
    y = run_onnx(node, flat, axis=-1)
    if where is not None:  # a row that keeps nothing is NaN for onnxruntime
        y = np.where(np.isneginf(flat).all(-1, keepdims=True), nothing_kept, y).astype(x.dtype)
    return np.transpose(y.reshape(front.shape), np.argsort(rest + axes))
