"""Convolution, pooling, resampling and padding by onnxruntime."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np

from netdsl.ops.conv.conv import Conv
from netdsl.ops.conv.conv_transpose import ConvTranspose
from netdsl.ops.pool.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from netdsl.ops.pool.global_pool import GlobalAvgPool, GlobalLpPool, GlobalMaxPool
from netdsl.ops.pool.pool import AvgPool, LpPool, MaxPool
from netdsl.ops.pool.upsample import Upsample
from netdsl.ops.shape.pad import Pad
from ops.harness import reference, run_onnx

AUTO_PAD = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER", "valid": "VALID"}


def spread(values: Any, rank: int) -> list[int]:
    return list(values) * rank if len(values) == 1 else list(values)


def padding(op: Any, rank: int) -> dict[str, Any]:
    if isinstance(op.pad, str):
        return {"auto_pad": AUTO_PAD[op.pad]}
    return {"pads": list(op.pad) if len(op.pad) == 2 * rank else spread(op.pad, rank) * 2}


def numbered(op: Any, space: Any, size: Any, stride: Any) -> Any:
    """The operator with "same" padding in numbers, as the ONNX specification defines them.

    For windows with gaps: onnxruntime's convolution refuses them with automatic padding, and its
    pools take them for windows without gaps.
    """
    if op.pad not in ("same", "same_lower") or max(op.dilation) == 1:
        return op
    begins, ends = [], []
    values = (space, size, spread(stride, len(size)), spread(op.dilation, len(size)))
    for n, k, step, gap in zip(*values, strict=True):
        total = max((ceil(n / step) - 1) * step + (k - 1) * gap + 1 - n, 0)
        begins.append(total // 2 if op.pad == "same" else total - total // 2)
        ends.append(total - begins[-1])
    return replace(op, pad=(*begins, *ends), **{"ceil_mode": False} if hasattr(op, "ceil_mode") else {})


@reference(Conv)
def conv(op: Conv, x: Any, weight: Any, bias: Any = None) -> Any:
    if x.shape[1] == 0:  # a sum over no channel is one over a channel of zeros
        x, weight = (np.zeros((a.shape[0], 1, *a.shape[2:]), a.dtype) for a in (x, weight))
    op = numbered(op, x.shape[2:], weight.shape[2:], op.stride)
    rank = x.ndim - 2
    return run_onnx(
        "Conv",
        x,
        weight,
        bias,
        strides=spread(op.stride, rank),
        dilations=spread(op.dilation, rank),
        group=op.groups,
        **padding(op, rank),
    )


@reference(ConvTranspose)
def conv_transpose(op: ConvTranspose, x: Any, weight: Any, bias: Any = None) -> Any:
    rank = x.ndim - 2
    stride, extra = spread(op.stride, rank), spread(op.output_pad, rank)
    if x.dtype == np.float64 or any(n >= step for n, step in zip(extra, stride, strict=True)):
        return _conv_transpose_by_conv(op, x, weight, bias, stride, extra)
    return run_onnx(
        "ConvTranspose",
        x,
        weight,
        bias,
        strides=stride,
        dilations=spread(op.dilation, rank),
        output_padding=extra,
        group=op.groups,
        **padding(op, rank),
    )


def _conv_transpose_by_conv(
    op: ConvTranspose, x: Any, weight: Any, bias: Any, stride: list[int], extra: list[int]
) -> Any:
    """A convolution of `x` with zeros between its elements, with the weight turned around.

    For f64, where onnxruntime has no ConvTranspose and onnx's evaluator only one without groups,
    and for output padding that only PyTorch allows.
    """
    if x.shape[1] == 0:
        x, weight = np.zeros((len(x), 1, *x.shape[2:]), x.dtype), np.zeros((1, *weight.shape[1:]), x.dtype)
    rank, groups = x.ndim - 2, op.groups
    dilation = spread(op.dilation, rank)
    spaced = np.zeros(
        (*x.shape[:2], *((n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True))), x.dtype
    )
    spaced[(..., *(slice(None, None, s) for s in stride))] = x
    split = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    turned = np.flip(split.reshape(-1, *split.shape[2:]), axis=tuple(range(2, rank + 2)))
    reach = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
    behind = [r + n for r, n in zip(reach, extra, strict=True)]
    y = run_onnx("Conv", spaced, turned, bias, dilations=dilation, group=groups, pads=reach + behind)
    pads = padding(op, rank)["pads"]
    cuts = zip(pads[:rank], pads[rank:], y.shape[2:], strict=True)
    return y[(..., *(slice(begin, length - end) for begin, end, length in cuts))]


def pool(node: str, op: Any, x: Any, **more: Any) -> Any:
    if x.shape[1] == 0:  # onnxruntime takes no images, but not no channels; pools treat both alike
        return pool(node, op, x.swapaxes(0, 1), **more).swapaxes(0, 1)
    rank = x.ndim - 2
    size = spread(op.size, rank)
    op = numbered(op, x.shape[2:], size, size if op.stride is None else op.stride)
    return run_onnx(
        node,
        x,
        kernel_shape=size,
        strides=size if op.stride is None else spread(op.stride, rank),
        dilations=spread(op.dilation, rank),
        **{"ceil_mode": int(op.ceil_mode), **padding(op, rank), **more},
    )


@reference(MaxPool)
def max_pool(op: MaxPool, x: Any) -> Any:
    return pool("MaxPool", op, x)


@reference(AvgPool)
def avg_pool(op: AvgPool, x: Any) -> Any:
    return pool("AveragePool", op, x, count_include_pad=int(op.count_pad))


@reference(LpPool)
def lp_pool(op: LpPool, x: Any) -> Any:
    if not op.p.is_integer():  # the node takes whole orders only
        return _root(lp_pool(replace(op, p=1.0), _power(x, op.p)), op.p)
    if not op.ceil_mode or op.pad in ("same", "same_lower"):
        return pool("LpPool", op, x, p=int(op.p), ceil_mode=0)
    # onnx's evaluator drops what a window over the end holds, so give it zeros there
    shape = pool("MaxPool", op, x).shape
    behind = np.pad(x, [(0, 0)] * 2 + [(0, 8)] * (x.ndim - 2))
    y = pool("LpPool", op, behind, p=int(op.p), ceil_mode=0)
    return y[tuple(map(slice, shape))]


def _power(x: Any, p: float) -> Any:
    return run_onnx("Pow", run_onnx("Abs", x), np.array(p, x.dtype))


def _root(x: Any, p: float) -> Any:
    return run_onnx("Pow", x, np.array(1 / p, x.dtype))


def global_pool(node: str, reduction: str, op: Any, x: Any, **more: Any) -> Any:
    """By the node; in f64, which onnxruntime's global pools do not take, by the reduction."""
    if x.dtype == np.float64:
        y = run_onnx(reduction, x, np.arange(2, x.ndim))
    elif x.shape[1] == 0:
        y = run_onnx(node, x.swapaxes(0, 1), **more).swapaxes(0, 1)
    else:
        y = run_onnx(node, x, **more)
    return y if op.keepdims else y.reshape(x.shape[:2])


@reference(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, x: Any) -> Any:
    return global_pool("GlobalAveragePool", "ReduceMean", op, x)


@reference(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, x: Any) -> Any:
    return global_pool("GlobalMaxPool", "ReduceMax", op, x)


@reference(GlobalLpPool)
def global_lp_pool(op: GlobalLpPool, x: Any) -> Any:
    if not op.p.is_integer() or op.p > 2:
        return _root(global_lp_pool(replace(op, p=1.0), _power(x, op.p)), op.p)
    return global_pool("GlobalLpPool", f"ReduceL{op.p:.0f}", op, x, p=int(op.p))


def bins(node: str, size: Any, x: Any) -> Any:
    """Slice out each bin, reduce it, and put the results together."""
    rank = x.ndim - 2
    axes = np.arange(2, x.ndim)
    parts = spread(size, rank)
    y = np.empty((*x.shape[:2], *parts), x.dtype)
    for place in product(*map(range, parts)):
        share = [Fraction(n, part) for n, part in zip(x.shape[2:], parts, strict=True)]
        starts = np.array([floor(i * s) for i, s in zip(place, share, strict=True)])
        stops = np.array([ceil((i + 1) * s) for i, s in zip(place, share, strict=True)])
        piece = run_onnx("Slice", x, starts, stops, axes)
        y[(..., *place)] = run_onnx(node, piece, axes, keepdims=0)
    return y


@reference(AdaptiveAvgPool)
def adaptive_avg_pool(op: AdaptiveAvgPool, x: Any) -> Any:
    return bins("ReduceMean", op.size, x)


@reference(AdaptiveMaxPool)
def adaptive_max_pool(op: AdaptiveMaxPool, x: Any) -> Any:
    return bins("ReduceMax", op.size, x)


@reference(Upsample)
def upsample(op: Upsample, x: Any) -> Any:
    scales = sizes = None
    if op.scale is not None:
        scales = np.array([1, 1, *spread(op.scale, x.ndim - 2)], np.float32)
    else:
        sizes = np.array([*x.shape[:2], *spread([int(n) for n in op.size or ()], x.ndim - 2)], np.int64)
    if op.mode == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        corners = "align_corners" if op.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    if x.dtype == bool:
        x = x.astype(np.int32)
        return run_onnx("Resize", x, None, scales, sizes, **how).astype(bool)
    return run_onnx("Resize", x, None, scales, sizes, **how)


@reference(Pad)
def pad(op: Pad, x: Any) -> Any:
    ends = op.begins if op.ends is None else op.ends
    pads = np.array([*op.begins, *ends], np.int64)
    axes = np.arange(x.ndim - len(ends), x.ndim)
    value = np.array(op.value).astype(x.dtype) if op.mode == "constant" else None
    mode = "edge" if x.size == 0 and op.mode == "wrap" else op.mode  # only its shape counts
    return run_onnx("Pad", x, pads, value, axes, mode=mode)
