"""Normalisations by onnxruntime: by the node itself in f32, and by elementary nodes in f64.

The nodes carry `eps` and other numbers as f32, which is too coarse to check f64 against.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.norm.batch_norm_training import BatchNormTraining
from netdsl.ops.norm.group_norm import GroupNorm, InstanceNorm
from netdsl.ops.norm.local_response_norm import LocalResponseNorm
from netdsl.ops.norm.norm import BatchNorm, LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize, RMSNorm
from ops.harness import reference, run_onnx


def parameters(x: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    weight = np.ones(shape, x.dtype) if weight is None else weight
    return weight, np.zeros(shape, x.dtype) if bias is None else bias


def last(x: Any, over: tuple[int, ...]) -> tuple[Any, Any, int]:
    """`x` with the axes `over` last, the order that puts them back, and the first of them."""
    axes = sorted(axis % x.ndim for axis in over) or list(range(x.ndim))
    order = [axis for axis in range(x.ndim) if axis not in axes] + axes
    return x.transpose(order), np.argsort(order), x.ndim - len(axes)


def scaled(x: Any, square: Any, eps: float) -> Any:
    """`x / sqrt(square + eps)`."""
    return run_onnx("Div", x, run_onnx("Sqrt", run_onnx("Add", square, np.asarray(eps, x.dtype))))


def standardised(x: Any, axes: range, eps: float) -> Any:
    over = np.array(axes, np.int64)
    deviations = run_onnx("Sub", x, run_onnx("ReduceMean", x, over))
    return scaled(deviations, run_onnx("ReduceMean", run_onnx("Mul", deviations, deviations), over), eps)


def affine(y: Any, weight: Any, bias: Any) -> Any:
    return run_onnx("Add", run_onnx("Mul", y, weight), bias)


def per_channel(x: Any, parameter: Any) -> Any:
    return parameter.reshape(-1, *(1,) * (x.ndim - 2))


@reference(BatchNorm)
def batch_norm(op: BatchNorm, x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None) -> Any:
    weight, bias = parameters(x, weight, bias, (x.shape[1],))
    if x.dtype == np.float32:
        return run_onnx("BatchNormalization", x, weight, bias, mean, var, epsilon=op.eps)
    mean, var, weight, bias = (per_channel(x, p) for p in (mean, var, weight, bias))
    return affine(scaled(run_onnx("Sub", x, mean), var, op.eps), weight, bias)


@reference(BatchNormTraining)
def batch_norm_training(op: BatchNormTraining, x: Any, weight: Any = None, bias: Any = None) -> Any:
    weight, bias = parameters(x, weight, bias, (x.shape[1],))
    rows = x.swapaxes(0, 1).reshape(x.shape[1], -1)
    mean = run_onnx("ReduceMean", rows, np.array([1]), keepdims=0)
    square = run_onnx("ReduceSumSquare", run_onnx("Sub", rows, mean[:, None]), np.array([1]), keepdims=0)
    var = run_onnx("Div", square, np.asarray(rows.shape[1], x.dtype))
    return batch_norm(BatchNorm(op.eps), x, mean, var, weight, bias), mean, var


@reference(LayerNorm)
def layer_norm(op: LayerNorm, x: Any, weight: Any = None, bias: Any = None) -> Any:
    if x.size == 0:
        return x
    moved, back, axis = last(x, op.over)
    weight, bias = parameters(x, weight, bias, moved.shape[axis:])
    if x.dtype == np.float32:
        y = run_onnx("LayerNormalization", moved, weight, bias, axis=axis, epsilon=op.eps)
    else:
        y = affine(standardised(moved, range(axis, x.ndim), op.eps), weight, bias)
    return y.transpose(back)


@reference(GroupNorm)
def group_norm(op: GroupNorm, x: Any, weight: Any = None, bias: Any = None) -> Any:
    if x.size == 0:
        return x
    weight, bias = parameters(x, weight, bias, (x.shape[1],))
    spatial = x if x.ndim > 2 else x[..., None]  # the node wants an axis after the channels
    if x.dtype == np.float32:
        y = run_onnx("GroupNormalization", spatial, weight, bias, num_groups=op.groups, epsilon=op.eps)
    else:
        y = standardised(spatial.reshape(len(x), op.groups, -1), range(2, 3), op.eps).reshape(spatial.shape)
        y = affine(y, per_channel(y, weight), per_channel(y, bias))
    return y.reshape(x.shape)


@reference(InstanceNorm)
def instance_norm(op: InstanceNorm, x: Any, weight: Any = None, bias: Any = None) -> Any:
    weight, bias = parameters(x, weight, bias, (x.shape[1],))
    if x.dtype == np.float32:
        return run_onnx("InstanceNormalization", x, weight, bias, epsilon=op.eps)
    return affine(standardised(x, range(2, x.ndim), op.eps), per_channel(x, weight), per_channel(x, bias))


@reference(LocalResponseNorm)
def local_response_norm(op: LocalResponseNorm, x: Any) -> Any:
    if x.dtype == np.float32 and op.size % 2:  # onnxruntime has no even sizes
        return run_onnx("LRN", x, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)
    ones = np.ones((x.shape[1], x.shape[1]), x.dtype)
    window = run_onnx("Trilu", ones, np.array(-((op.size - 1) // 2)), upper=1)
    window = run_onnx("Trilu", window, np.array(op.size // 2), upper=0)
    flat = run_onnx("Mul", x, x).reshape(*x.shape[:2], int(np.prod(x.shape[2:])))
    sums = run_onnx("MatMul", window, flat)
    k, scale, beta = (np.asarray(n, x.dtype) for n in (op.k, op.alpha / op.size, op.beta))
    power = run_onnx("Pow", run_onnx("Add", k, run_onnx("Mul", scale, sums)), beta)
    return run_onnx("Div", x, power.reshape(x.shape))


@reference(RMSNorm)
def rms_norm(op: RMSNorm, x: Any, weight: Any = None) -> Any:
    if x.size == 0:
        return x
    moved, back, axis = last(x, op.over)
    weight, _ = parameters(x, weight, None, moved.shape[axis:])
    if x.dtype == np.float32:
        y = run_onnx("RMSNormalization", moved, weight, axis=axis, epsilon=op.eps, opset=23)
    else:
        square = run_onnx("ReduceMean", run_onnx("Mul", moved, moved), np.arange(axis, x.ndim))
        y = run_onnx("Mul", scaled(moved, square, op.eps), weight)
    return y.transpose(back)


@reference(L2Normalize)
def l2_normalize(op: L2Normalize, x: Any) -> Any:
    axes = np.array(op.over or range(x.ndim), np.int64)
    length = run_onnx("Max", run_onnx("ReduceL2", x, axes), np.asarray(op.eps, x.dtype))
    return run_onnx("Div", x, length)
