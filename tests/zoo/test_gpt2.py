"""GPT-2 against a graph on Hugging Face's names and layout, its published count, and its cached attention."""

from __future__ import annotations

import numpy as np
import pytest

from netruntime.engine.loading import load_checked
from netruntime.engine.testing import run_tests
from zoo.examples import (
    EXAMPLES,
    assert_close,
    assert_same_weights,
    load_example,
    load_varied,
    multiply_adds,
    parameter_count,
    renamed,
)
from zoo.onnx_graphs import OnnxGraph
from zoo.onnx_sequences import attention, causal, merged_heads

SMALL = {"vocab": 60, "positions": 12, "dim": 24, "depth": 2, "heads": 3}
PARTS = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")


def names(depth: int) -> set[str]:
    """Every name of the state dictionary of a `GPT2Model`."""
    parts = ["ln_f", *(f"h.{i}.{part}" for i in range(depth) for part in PARTS)]
    return {"wte.weight", "wpe.weight"} | {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}


def block(graph: OnnxGraph, x: str, path: str, keep: str) -> str:
    joined = graph.dense(graph.layer_norm(x, f"{path}.ln_1", 1e-5), f"{path}.attn.c_attn")
    q, k, v = graph.add_many("Split", joined, outputs=3, axis=-1, num_outputs=3)
    looked = merged_heads(graph, attention(graph, q, k, v, heads=3, keep=keep))
    x = graph.add("Add", x, graph.dense(looked, f"{path}.attn.c_proj"))
    y = graph.dense(graph.layer_norm(x, f"{path}.ln_2", 1e-5), f"{path}.mlp.c_fc")
    return graph.add("Add", x, graph.dense(graph.add("Gelu", y, approximate="tanh"), f"{path}.mlp.c_proj"))


def test_outputs() -> None:
    net = load_varied("gpt2", gain=3.0, **SMALL)
    ids = np.random.default_rng(4).integers(0, 60, (2, 9))
    graph = OnnxGraph(renamed(net, "huggingface"))
    words = graph.add("Gather", graph.weight("wte.weight"), graph.input("ids", ids))
    x = graph.add("Add", words, graph.add("Gather", graph.weight("wpe.weight"), graph.constant(range(9))))
    keep = graph.input("keep", causal(9))
    for i in range(2):
        x = block(graph, x, f"h.{i}", keep)
    x = graph.layer_norm(x, "ln_f", 1e-5)
    table = graph.add("Transpose", graph.weight("wte.weight"), perm=[1, 0])
    (expected,) = graph.run(graph.add("MatMul", x, table))
    assert_close(net(ids=ids), expected)


def test_counts() -> None:
    """As published, 124,439,808: the embedding is counted once, and is the output layer too."""
    assert parameter_count(load_example("gpt2")) == 124_439_808
    assert parameter_count(load_example("gpt2", dim=1024, depth=24, heads=16)) == 354_823_168
    dense = 12 * 12 * 768 * 768 + 768 * 50257  # for each token: four projections and two layers of 4 * 768
    attended = 12 * 2 * 768 * 8 * 8  # of 8 tokens to 8
    assert multiply_adds(load_example("gpt2"), B=1, T=8) == pytest.approx(8 * dense + attended, rel=0.01)


def test_huggingface_weights() -> None:
    net = load_varied("gpt2", **SMALL)
    theirs = renamed(net, "huggingface")
    assert theirs.keys() == names(depth=2)
    assert theirs["h.1.attn.c_attn.weight"].shape == (24, 72)  # Conv1D keeps [in, out]
    assert theirs["h.1.mlp.c_fc.weight"].shape == (24, 96)
    masks = {"h.0.attn.bias": np.ones((1, 1, 12, 12), bool), "h.0.attn.masked_bias": np.float32(-1e4)}
    assert_same_weights(load_example("gpt2", weights=theirs | masks, **SMALL).weights, net.weights)


def test_stepping_agrees_with_the_whole_sequence() -> None:
    results = {test.name: test for test in run_tests(load_checked(EXAMPLES / "gpt2.net", **SMALL))}
    assert results["stepping agrees with the complete sequence"].passed
    assert results["stepping agrees with the complete sequence"].largest_difference is not None
