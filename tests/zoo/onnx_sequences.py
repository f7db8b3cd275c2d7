"""Attention and the layers of Transformers in ONNX's small operators, on our names of weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from zoo.onnx_graphs import Array, OnnxGraph

Layer = Callable[[str], str]


def split_heads(graph: OnnxGraph, x: str, heads: int) -> str:
    """`[B, T, heads*size]` as `[B, heads, T, size]`."""
    return graph.add("Transpose", graph.reshape(x, 0, 0, heads, -1), perm=[0, 2, 1, 3])


def merged_heads(graph: OnnxGraph, x: str) -> str:
    """`[B, heads, T, size]` as `[B, T, heads*size]`."""
    return graph.reshape(graph.add("Transpose", x, perm=[0, 2, 1, 3]), 0, 0, -1)


def attention(
    graph: OnnxGraph, q: str, k: str, v: str, *, heads: int, keep: str | None = None, kv_heads: int = 0
) -> str:
    """`softmax(q k^T / sqrt(size)) v` for each head: `[B, heads, T, size]` from projections.

    `keep` names truth values that broadcast to `[B, heads, T, S]`. With `kv_heads`, each head of keys and
    values is repeated for its group of queries.
    """
    queries = split_heads(graph, q, heads)
    keys, values = (split_heads(graph, x, kv_heads or heads) for x in (k, v))
    if kv_heads:
        index = graph.constant(np.repeat(np.arange(kv_heads), heads // kv_heads))
        keys, values = (graph.add("Gather", x, index, axis=1) for x in (keys, values))
    scores = graph.add("MatMul", queries, graph.add("Transpose", keys, perm=[0, 1, 3, 2]))
    size = graph.add("Cast", graph.add("Shape", queries, start=3, end=4), to=1)
    scores = graph.add("Div", scores, graph.add("Sqrt", size))
    if keep is not None:
        scores = graph.add("Where", keep, scores, graph.constant(-1e9, np.float32))
    return graph.add("MatMul", graph.add("Softmax", scores, axis=-1), values)


def multi_head(
    graph: OnnxGraph,
    x: str,
    path: str,
    *,
    heads: int,
    kv: str | None = None,
    keep: str | None = None,
    kv_heads: int = 0,
) -> str:
    """Attention with its projections `wq`, `wk`, `wv` and `wo` under `path`."""
    sources = {"wq": x, "wk": kv or x, "wv": kv or x}
    parts = [graph.dense(source, f"{path}.{name}") for name, source in sources.items()]
    looked = attention(graph, *parts, heads=heads, keep=keep, kv_heads=kv_heads)
    return graph.dense(merged_heads(graph, looked), f"{path}.wo")


def feed_forward(graph: OnnxGraph, x: str, path: str, act: Layer) -> str:
    return graph.dense(act(graph.dense(x, f"{path}.ff1")), f"{path}.ff2")


def sublayer(graph: OnnxGraph, x: str, norm: str, layer: Layer, *, pre: bool, eps: float = 1e-5) -> str:
    """`x + layer(norm(x))` with `pre`, else `norm(x + layer(x))`."""
    if pre:
        return graph.add("Add", x, layer(graph.layer_norm(x, norm, eps)))
    return graph.layer_norm(graph.add("Add", x, layer(x)), norm, eps)


def encoder_layer(
    graph: OnnxGraph,
    x: str,
    path: str,
    *,
    heads: int,
    keep: str | None = None,
    pre: bool = False,
    act: Layer | None = None,
) -> str:
    attend = partial(_attend, graph, path=f"{path}.attn", heads=heads, keep=keep)
    x = sublayer(graph, x, f"{path}.norm1", attend, pre=pre)
    widen = partial(_feed, graph, path=f"{path}.ff", act=act or graph.relu)
    return sublayer(graph, x, f"{path}.norm2", widen, pre=pre)


def decoder_layer(
    graph: OnnxGraph,
    x: str,
    path: str,
    *,
    heads: int,
    memory: str,
    keep: str,
    memory_keep: str | None = None,
    pre: bool = False,
) -> str:
    """`keep` is the whole mask of the self-attention: causal, and without padding."""
    attend = partial(_attend, graph, path=f"{path}.self_attn", heads=heads, keep=keep)
    x = sublayer(graph, x, f"{path}.norm1", attend, pre=pre)
    cross = partial(_attend, graph, path=f"{path}.cross_attn", heads=heads, keep=memory_keep, kv=memory)
    x = sublayer(graph, x, f"{path}.norm2", cross, pre=pre)
    widen = partial(_feed, graph, path=f"{path}.ff", act=graph.relu)
    return sublayer(graph, x, f"{path}.norm3", widen, pre=pre)


def sinusoids(count: int, size: int) -> Array:
    """Section 3.5 of Vaswani et al. 2017, number by number: `[count, size]`."""
    table = np.empty((count, size))
    for position in range(count):
        for i in range(0, size, 2):
            angle = position / 10000 ** (i / size)
            table[position, i], table[position, i + 1] = np.sin(angle), np.cos(angle)
    return table.astype(np.float32)


def causal(count: int) -> Array:
    """`[count, count]`: true where a query may look."""
    return np.tril(np.ones((count, count), bool))


def _attend(
    graph: OnnxGraph, x: str, *, path: str, heads: int, keep: str | None = None, kv: str | None = None
) -> str:
    return multi_head(graph, x, path, heads=heads, kv=kv, keep=keep)


def _feed(graph: OnnxGraph, x: str, *, path: str, act: Layer) -> str:
    return feed_forward(graph, x, path, act)
