"""The vision transformer against a graph written on torchvision's names, layout and published counts."""

from __future__ import annotations

import numpy as np

from zoo.examples import (
    assert_close,
    assert_same_weights,
    load_example,
    load_varied,
    multiply_adds,
    parameter_count,
    renamed,
    uniform,
)
from zoo.onnx_graphs import OnnxGraph

SMALL = {"size": 32, "patch": 8, "dim": 48, "depth": 3, "heads": 4, "hidden": 80, "classes": 10}
DIM, HEADS, TOKENS, BATCH = 48, 4, 17, 2

PARTS = ("ln_1", "self_attention.out_proj", "ln_2", "mlp.0", "mlp.3")


def names(depth: int) -> set[str]:
    """Every name of the state dictionary of `vit_b_16`."""
    found = {"class_token", "encoder.pos_embedding"}
    for i in range(depth):
        layer = f"encoder.layers.encoder_layer_{i}"
        found |= {f"{layer}.self_attention.in_proj_weight", f"{layer}.self_attention.in_proj_bias"}
        found |= {f"{layer}.{part}.{kind}" for part in PARTS for kind in ("weight", "bias")}
    layers = ("conv_proj", "encoder.ln", "heads.head")
    return found | {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def attention(graph: OnnxGraph, x: str, layer: str) -> str:
    weight = graph.add("Transpose", graph.weight(f"{layer}.in_proj_weight"))
    joined = graph.add("Add", graph.add("MatMul", x, weight), graph.weight(f"{layer}.in_proj_bias"))
    parts = graph.add_many("Split", joined, outputs=3, axis=-1, num_outputs=3)
    heads = [graph.reshape(part, BATCH, TOKENS, HEADS, DIM // HEADS) for part in parts]
    q, v = (graph.add("Transpose", heads[n], perm=[0, 2, 1, 3]) for n in (0, 2))
    scores = graph.add("MatMul", q, graph.add("Transpose", heads[1], perm=[0, 2, 3, 1]))
    scale = graph.constant((DIM // HEADS) ** 0.5, np.float32)
    looked = graph.add("MatMul", graph.add("Softmax", graph.add("Div", scores, scale)), v)
    merged = graph.reshape(graph.add("Transpose", looked, perm=[0, 2, 1, 3]), BATCH, TOKENS, DIM)
    return graph.dense(merged, f"{layer}.out_proj")


def encoder_layer(graph: OnnxGraph, x: str, layer: str) -> str:
    y = graph.layer_norm(x, f"{layer}.ln_1", 1e-6)
    x = graph.add("Add", x, attention(graph, y, f"{layer}.self_attention"))
    y = graph.dense(graph.layer_norm(x, f"{layer}.ln_2", 1e-6), f"{layer}.mlp.0")
    return graph.add("Add", x, graph.dense(graph.add("Gelu", y), f"{layer}.mlp.3"))


def test_outputs() -> None:
    net = load_varied("vit", **SMALL)
    image = uniform(BATCH, 3, 32, 32)
    graph = OnnxGraph(renamed(net, "torchvision"), torch=True)
    x = graph.conv(graph.input("image", image), "conv_proj", stride=8)
    x = graph.add("Transpose", graph.reshape(x, BATCH, DIM, TOKENS - 1), perm=[0, 2, 1])
    token = graph.add("Expand", graph.weight("class_token"), graph.constant([BATCH, 1, DIM]))
    x = graph.add("Concat", token, x, axis=1)
    x = graph.add("Add", x, graph.weight("encoder.pos_embedding"))
    for i in range(3):
        x = encoder_layer(graph, x, f"encoder.layers.encoder_layer_{i}")
    x = graph.layer_norm(x, "encoder.ln", 1e-6)
    x = graph.add("Gather", x, graph.constant(0), axis=1)
    (expected,) = graph.run(graph.dense(x, "heads.head"))
    assert_close(net(image=image), expected)


def test_counts() -> None:
    """As torchvision states them for `vit_b_16`: 86,567,656 parameters and 17.56 G multiply-adds."""
    net = load_example("vit")
    assert parameter_count(net) == 86_567_656
    assert round(multiply_adds(net, B=1) / 1e9, 2) == 17.56


def test_torchvision_weights() -> None:
    net = load_varied("vit", **SMALL)
    theirs = renamed(net, "torchvision")
    assert theirs.keys() == names(depth=3)
    assert theirs["encoder.layers.encoder_layer_2.self_attention.in_proj_weight"].shape == (3 * DIM, DIM)
    assert theirs["encoder.layers.encoder_layer_2.mlp.0.weight"].shape == (80, DIM)
    again = load_example("vit", weights=theirs, **SMALL)
    assert_same_weights(again.weights, net.weights)


def test_first_published_names() -> None:
    """Checkpoints from before torchvision 0.14 call the two layers of the MLP `linear_1` and `linear_2`."""
    net = load_varied("vit", **SMALL)
    old = {
        name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): array
        for name, array in renamed(net, "torchvision").items()
    }
    assert_same_weights(load_example("vit", weights=old, **SMALL).weights, net.weights)
