"""LeNet-5 against a hand-made graph, and its parameters against the layer sizes of the paper."""

from __future__ import annotations

from zoo.examples import assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph


def test_outputs() -> None:
    net = load_varied("lenet5")
    image = uniform(3, 1, 28, 28)
    graph = OnnxGraph(net.weights)
    x = graph.add("Tanh", graph.conv(graph.input("image", image), "conv1", pad=2))
    x = graph.add("Tanh", graph.conv(graph.avg_pool(x, [2, 2], [2, 2]), "conv2"))
    x = graph.flatten(graph.avg_pool(x, [2, 2], [2, 2]))
    for layer in ("fc1", "fc2"):
        x = graph.add("Tanh", graph.dense(x, layer))
    (expected,) = graph.run(graph.dense(x, "fc3"))
    assert_close(net(image=image), expected)


def test_counts() -> None:
    """The paper's C1, C5 and F6 have 156, 48,120 and 10,164; C3 with all connections has 2,416."""
    assert parameter_count(load_example("lenet5")) == 156 + 2_416 + 48_120 + 10_164 + 850
