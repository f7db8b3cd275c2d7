"""ZFNet against a hand-made graph, and its sizes against figure 3 of the paper."""

from __future__ import annotations

from zoo.examples import assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph


def test_outputs() -> None:
    """Pixels run to 255: at small values the normalisation across channels would change nothing."""
    net = load_varied("zfnet", hidden=40, classes=10)
    image = uniform(1, 3, 224, 224, low=0, high=255)
    graph = OnnxGraph(net.weights)
    x = graph.relu(graph.conv(graph.input("image", image), "conv1", stride=2, pad=1))
    x = graph.local_response_norm(graph.max_pool(x, 3, 2, ceil=True))
    x = graph.relu(graph.conv(x, "conv2", stride=2))
    x = graph.local_response_norm(graph.max_pool(x, 3, 2, ceil=True))
    for layer in ("conv3", "conv4", "conv5"):
        x = graph.relu(graph.conv(x, layer, pad=1))
    x = graph.flatten(graph.max_pool(x, 3, 2))
    for layer in ("fc6", "fc7"):
        x = graph.relu(graph.dense(x, layer))
    (expected,) = graph.run(graph.dense(x, "fc8"))
    assert_close(net(image=image), expected)


def test_sizes_of_figure_3() -> None:
    """The figure gives the rows of each layer's output: 110 and 55, 26 and 13, 13, 13, 13 and 6."""
    net = load_example("zfnet")
    found = [
        data.types[0].shape[-1].value
        for _, data in net.graph.operators()
        if data.op.name in ("conv", "max_pool")
    ]
    assert found == [110, 55, 26, 13, 13, 13, 13, 6]


def test_counts() -> None:
    """The paper states none: this is the sum over the layers that its figure 3 gives."""
    windows = [96 * 3 * 49, 256 * 96 * 25, 384 * 256 * 9, 384 * 384 * 9, 256 * 384 * 9]
    dense = [6 * 6 * 256 * 4096, 4096 * 4096, 4096 * 1000]
    biases = 96 + 256 + 384 + 384 + 256 + 4096 + 4096 + 1000
    assert parameter_count(load_example("zfnet")) == sum(windows) + sum(dense) + biases == 62_357_608
