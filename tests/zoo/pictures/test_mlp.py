"""The multilayer perceptron against a graph of matrix products."""

from __future__ import annotations

from itertools import pairwise

from zoo.examples import assert_close, load_example, load_varied, multiply_adds, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph


def test_outputs() -> None:
    net = load_varied("mlp", hidden=[30, 20, 12], classes=5)
    image = uniform(4, 28, 28)
    graph = OnnxGraph(net.weights)
    x = graph.flatten(graph.input("image", image))
    for layer in range(3):
        x = graph.relu(graph.dense(x, f"mlp.layers.{layer}.fc"))
    (expected,) = graph.run(graph.dense(x, "mlp.layers.3.fc"))
    assert_close(net(image=image), expected)


def test_counts() -> None:
    net = load_example("mlp")
    sizes = [784, 256, 128, 10]
    products = sum(before * after for before, after in pairwise(sizes))
    assert multiply_adds(net, B=1) == products
    assert parameter_count(net) == products + sum(sizes[1:])
