"""Attention, the encoder and the whole Transformer against graphs of small operators."""

from __future__ import annotations

import numpy as np

from zoo.examples import assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph
from zoo.onnx_sequences import causal, decoder_layer, encoder_layer, multi_head, sinusoids

RNG = np.random.default_rng(9)
KEEP = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]], bool)
TARGET_KEEP = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)


def test_self_attention() -> None:
    net = load_varied("self_attention")
    x = uniform(2, 7, 64)
    graph = OnnxGraph(net.weights)
    keep = graph.input("keep", KEEP[:, None, None])
    (expected,) = graph.run(multi_head(graph, graph.input("x", x), "attn", heads=4, keep=keep))
    assert_close(net(x=x, keep=KEEP), expected)


def test_transformer_encoder() -> None:
    net = load_varied("transformer_encoder", dim=32, depth=3, heads=4, ff=48)
    x = uniform(2, 7, 32)
    graph = OnnxGraph(net.weights)
    keep = graph.input("keep", KEEP[:, None, None])
    y = graph.input("x", x + sinusoids(7, 32))
    for i in range(3):
        y = encoder_layer(graph, y, f"encoder.{i}", heads=4, keep=keep)
    (expected,) = graph.run(y)
    assert_close(net(x=x, keep=KEEP), expected)


def embedded(graph: OnnxGraph, name: str, ids: np.ndarray, dim: int) -> str:
    words = graph.add("Gather", graph.weight("embed.weight"), graph.input(name, ids))
    scaled = graph.add("Mul", words, graph.constant(dim**0.5, np.float32))
    return graph.add("Add", scaled, graph.constant(sinusoids(ids.shape[1], dim), np.float32))


def test_transformer() -> None:
    net = load_varied("transformer", gain=1.5, vocab=50, dim=32, depth=2, heads=4, ff=48)
    src, tgt = RNG.integers(0, 50, (2, 7)), RNG.integers(0, 50, (2, 5))
    graph = OnnxGraph(net.weights)
    see_src = graph.input("see_src", KEEP[:, None, None])
    see_past = graph.input("see_past", TARGET_KEEP[:, None, None] & causal(5))
    memory, y = embedded(graph, "src", src, 32), embedded(graph, "tgt", tgt, 32)
    for i in range(2):
        memory = encoder_layer(graph, memory, f"encoder.{i}", heads=4, keep=see_src)
    for i in range(2):
        y = decoder_layer(
            graph, y, f"decoder.{i}", heads=4, memory=memory, keep=see_past, memory_keep=see_src
        )
    logits = graph.add("MatMul", y, graph.add("Transpose", graph.weight("embed.weight"), perm=[1, 0]))
    expected, probabilities = graph.run(logits, graph.add("Softmax", logits, axis=-1))
    outputs = net(src=src, tgt=tgt, src_keep=KEEP, tgt_keep=TARGET_KEEP)
    assert_close(outputs["logits"], expected)
    assert_close(outputs["probabilities"], probabilities)


def test_counts() -> None:
    """The paper says 65 million, rounded: no biases in attention, and one embedding for all three uses.

    That makes 37,000 * 512 for the embedding, 3,150,336 for each encoder layer, 4,199,936 for each decoder
    layer. Our encoder by itself has the biases of the standard block: 6 * 4 * 512 more.
    """
    assert parameter_count(load_example("transformer")) == 37_000 * 512 + 6 * (3_150_336 + 4_199_936)
    assert parameter_count(load_example("transformer_encoder")) == 6 * (3_150_336 + 4 * 512)
    assert parameter_count(load_example("self_attention")) == 4 * (64 * 64 + 64)
