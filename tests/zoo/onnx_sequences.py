"""Attention in ONNX's small operators: masks by `Where`, heads by `Reshape` and `Transpose`."""

from __future__ import annotations

import numpy as np
from zoo.onnx_graphs import OnnxGraph


def split_heads(graph: OnnxGraph, x: str, heads: int) -> str:
    """`[B, T, heads*size]` as `[B, heads, T, size]`."""
    return graph.add("Transpose", graph.reshape(x, 0, 0, heads, -1), perm=[0, 2, 1, 3])


def merged_heads(graph: OnnxGraph, x: str) -> str:
    """`[B, heads, T, size]` as `[B, T, heads*size]`."""
    return graph.reshape(graph.add("Transpose", x, perm=[0, 2, 1, 3]), 0, 0, -1)


def attention(
    graph: OnnxGraph,
    q: str,
    k: str,
    v: str,
    *,
    heads: int,
    keep: str | None = None,
    kv_heads: int | None = None,
) -> str:
    """`softmax(q k^T / sqrt(size)) v` for each head: `[B, heads, T, size]` from projections.

    `keep` names truth values that broadcast to `[B, heads, T, S]`. Where `kv_heads` is smaller, each head
    of keys and values is repeated for its group.
    """
    queries = split_heads(graph, q, heads)
    keys, values = (split_heads(graph, x, kv_heads or heads) for x in (k, v))
    if kv_heads is not None and kv_heads < heads:
        index = graph.constant(np.repeat(np.arange(kv_heads), heads // kv_heads))
        keys, values = (graph.add("Gather", x, index, axis=1) for x in (keys, values))
    scores = graph.add("MatMul", queries, graph.add("Transpose", keys, perm=[0, 1, 3, 2]))
    size = graph.add("Shape", queries, start=3, end=4)
    scores = graph.add("Div", scores, graph.add("Sqrt", graph.add("Cast", size, to=1)))
    if keep is not None:
        scores = graph.add("Where", keep, scores, graph.constant(-1e9, np.float32))
    return graph.add("MatMul", graph.add("Softmax", scores, axis=-1), values)
