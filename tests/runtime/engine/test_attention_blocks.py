"""The standard attention blocks against graphs of small ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from zoo.onnx_graphs import OnnxGraph
from zoo.onnx_sequences import causal, decoder_layer, encoder_layer, multi_head

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(6)
X = RNG.normal(size=(2, 5, 24)).astype(np.float32)
MEMORY = RNG.normal(size=(2, 7, 24)).astype(np.float32)
KEEP = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)[:, None, None]
MEMORY_KEEP = np.array([[1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0, 0]], bool)[:, None, None]
INPUTS = "x: f32[B, T, 24], m: f32[B, S, 24], k: bool[B, 1, 1, T], n: bool[B, 1, 1, S]"
PAST = causal(5)[None, None]


def load(stage: str) -> nr.Network:
    text = f"net 1.0\nmodel M({INPUTS}) {{\n  return x -> b: {stage}\n}}"
    net = nr.load(text)
    varied = {k: v + RNG.uniform(-0.3, 0.3, v.shape).astype(v.dtype) for k, v in net.weights.items()}
    return nr.load(text, varied)


def run(net: nr.Network) -> Array:
    return np.asarray(net(x=X, m=MEMORY, k=KEEP, n=MEMORY_KEEP))


def check(net: nr.Network, graph: OnnxGraph, result: str) -> None:
    (expected,) = graph.run(result)
    np.testing.assert_allclose(run(net), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("statics", "sides", "kv", "keep", "kv_heads"),
    [
        ("4", "", False, None, 0),
        ("4, bias=false", "keep=k", False, KEEP, 0),
        ("4, causal=true", "", False, PAST, 0),
        ("4, causal=true", "keep=k", False, PAST & KEEP, 0),
        ("4", "kv=m", True, None, 0),
        ("4", "kv=m, keep=n", True, MEMORY_KEEP, 0),
        ("4, kv_heads=2", "keep=k", False, KEEP, 2),
        ("4, kv_heads=1, causal=true", "", False, PAST, 1),
        ("4, head_size=10", "", False, None, 0),
    ],
)
def test_multi_head_attention(statics: str, sides: str, kv: bool, keep: Array | None, kv_heads: int) -> None:
    net = load(f"MultiHeadAttention({statics})({sides})" if sides else f"MultiHeadAttention({statics})")
    graph = OnnxGraph(net.weights)
    x = graph.input("x", X)
    memory = graph.input("m", MEMORY) if kv else None
    mask = graph.input("keep", keep) if keep is not None else None
    check(net, graph, multi_head(graph, x, "b", heads=4, kv=memory, keep=mask, kv_heads=kv_heads))


@pytest.mark.parametrize("pre", [False, True])
@pytest.mark.parametrize("looks", ["keep", "causal"])
def test_encoder_layer(pre: bool, looks: str) -> None:
    sides = "(keep=k)" if looks == "keep" else ""
    net = load(f"EncoderLayer(4, 32, pre={str(pre).lower()}, causal={str(looks == 'causal').lower()}){sides}")
    graph = OnnxGraph(net.weights)
    mask = graph.input("keep", KEEP if looks == "keep" else PAST)
    check(net, graph, encoder_layer(graph, graph.input("x", X), "b", heads=4, keep=mask, pre=pre))


@pytest.mark.parametrize("pre", [False, True])
def test_decoder_layer(pre: bool) -> None:
    net = load(f"DecoderLayer(4, 32, pre={str(pre).lower()})(memory=m, keep=k, memory_keep=n)")
    graph = OnnxGraph(net.weights)
    inputs = {"memory": MEMORY, "keep": PAST & KEEP, "memory_keep": MEMORY_KEEP}
    sides = {name: graph.input(name, array) for name, array in inputs.items()}
    check(net, graph, decoder_layer(graph, graph.input("x", X), "b", heads=4, pre=pre, **sides))


def test_a_query_that_may_look_nowhere_gets_the_output_bias() -> None:
    net = load("MultiHeadAttention(4)(keep=k)")
    y = net(x=X, m=MEMORY, k=np.zeros_like(KEEP), n=MEMORY_KEEP)
    np.testing.assert_array_equal(y, np.broadcast_to(net.weights["b.wo.bias"], y.shape))
