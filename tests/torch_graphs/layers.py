"""Operators that are layers in PyTorch: windows, normalisation, activations, softmax and attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def spread(values: Sequence[int], rank: int) -> tuple[int, ...]:
    """One value for each spatial axis."""
    return tuple(values) * rank if len(values) == 1 else tuple(values)


def padding(pad: Any, rank: int) -> tuple[int, ...]:
    """The padding, the same at both ends of each axis, which is all that PyTorch's layers take."""
    if isinstance(pad, str):
        raise NotImplementedError(f'the graph of PyTorch does not know the padding "{pad}"')
    front, behind = (pad[:rank], pad[rank:]) if len(pad) == 2 * rank else (pad, pad)
    if tuple(front) != tuple(behind):
        raise NotImplementedError("the graph of PyTorch does not know padding that differs at the ends")
    return spread(front, rank)


def conv(op: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.ndim - 2
    stride, dilation = spread(op.stride, rank), spread(op.dilation, rank)
    return CONVOLUTIONS[rank](x, weight, bias, stride, padding(op.pad, rank), dilation, op.groups)


def conv_transpose(op: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.ndim - 2
    stride, dilation = spread(op.stride, rank), spread(op.dilation, rank)
    more = spread(op.output_pad, rank)
    return TRANSPOSED[rank](x, weight, bias, stride, padding(op.pad, rank), more, op.groups, dilation)


def max_pool(op: Any, x: Tensor) -> Tensor:
    rank = x.ndim - 2
    size = spread(op.size, rank)
    stride = size if op.stride is None else spread(op.stride, rank)
    pad, dilation = padding(op.pad, rank), spread(op.dilation, rank)
    return MAX_POOLS[rank](x, size, stride, pad, dilation, ceil_mode=op.ceil_mode)


def avg_pool(op: Any, x: Tensor) -> Tensor:
    rank = x.ndim - 2
    size = spread(op.size, rank)
    stride = size if op.stride is None else spread(op.stride, rank)
    return AVG_POOLS[rank](x, size, stride, padding(op.pad, rank), op.ceil_mode, op.count_pad)


def adaptive_avg_pool(op: Any, x: Tensor) -> Tensor:
    return ADAPTIVE[x.ndim - 2](x, spread(op.size, x.ndim - 2))


def global_avg_pool(op: Any, x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), keepdim=op.keepdims)


def batch_norm(op: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Any = None, bias: Any = None) -> Tensor:
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=op.eps)


def layer_norm(op: Any, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    if any(axis % x.ndim < x.ndim - len(op.over) for axis in op.over):
        raise NotImplementedError("PyTorch normalises over the last axes only")
    return F.layer_norm(x, x.shape[x.ndim - len(op.over) :], weight, bias, op.eps)


def local_response_norm(op: Any, x: Tensor) -> Tensor:
    if op.size % 2 == 0:
        raise NotImplementedError("PyTorch places windows of an even size elsewhere")
    return F.local_response_norm(x, op.size, op.alpha, op.beta, op.k)


def l2_normalize(op: Any, x: Tensor) -> Tensor:
    return F.normalize(x, dim=tuple(op.over), eps=op.eps)


def softmax(op: Any, x: Tensor, where: Tensor | None = None) -> Tensor:
    (axis,) = op.over
    if where is None:
        return x.softmax(axis)
    weights = x.masked_fill(~where, -torch.inf).softmax(axis)
    return torch.where(where.any(axis, keepdim=True), weights, 0)  # a row without any kept one is 0


def log_softmax(op: Any, x: Tensor, where: Tensor | None = None) -> Tensor:
    (axis,) = op.over
    if where is not None:
        raise NotImplementedError("the graph of PyTorch has no masked log_softmax")
    return x.log_softmax(axis)


def attention(
    op: Any, q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """PyTorch's own, which takes one mask: truth values, or what is added to the scores."""
    queries, keys = q.shape[2], k.shape[2]
    plain = op.causal and queries == keys and keep is None and bias is None
    if op.causal and not plain:
        past = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
        keep = past if keep is None else keep & past
    if bias is not None:
        keep = bias if keep is None else torch.where(keep, bias, -torch.inf)
    many = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=keep, is_causal=plain, scale=op.scale, enable_gqa=many
    )


LAYERS: dict[str, Callable[..., Any]] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "global_avg_pool": global_avg_pool,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "local_response_norm": local_response_norm,
    "l2_normalize": l2_normalize,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "attention": attention,
    "relu": lambda op, x: F.relu(x),
    "leaky_relu": lambda op, x: F.leaky_relu(x, op.slope),
    "gelu": lambda op, x: F.gelu(x, approximate=op.approximate),
    "silu": lambda op, x: F.silu(x),
    "sigmoid": lambda op, x: x.sigmoid(),
    "tanh": lambda op, x: x.tanh(),
    "softplus": lambda op, x: F.softplus(x),
}
