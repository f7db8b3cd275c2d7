"""AlexNet against a graph written on torchvision's names, layout and published counts."""

from __future__ import annotations

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

SMALL = {"hidden": 40, "classes": 10}
LAYERS = [f"features.{n}" for n in (0, 3, 6, 8, 10)] + [f"classifier.{n}" for n in (1, 4, 6)]
NAMES = {f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")}


def test_outputs() -> None:
    """224 rows give the 6 that the dense layers take; 256 columns give 7, whose bins of 2 overlap."""
    net = load_varied("alexnet", **SMALL)
    image = uniform(2, 3, 224, 256)
    graph = OnnxGraph(renamed(net, "torchvision"), torch=True)
    x = graph.relu(graph.conv(graph.input("image", image), "features.0", stride=4, pad=2))
    x = graph.relu(graph.conv(graph.max_pool(x, 3, 2), "features.3", pad=2))
    x = graph.relu(graph.conv(graph.max_pool(x, 3, 2), "features.6", pad=1))
    x = graph.relu(graph.conv(x, "features.8", pad=1))
    x = graph.relu(graph.conv(x, "features.10", pad=1))
    x = graph.flatten(graph.avg_pool(graph.max_pool(x, 3, 2), [1, 2], [1, 1]))
    x = graph.relu(graph.dense(x, "classifier.1"))
    x = graph.relu(graph.dense(x, "classifier.4"))
    (expected,) = graph.run(graph.dense(x, "classifier.6"))
    assert_close(net(image=image), expected)


def test_counts() -> None:
    """As torchvision states them: 61,100,840 parameters and 0.71 G multiply-adds."""
    net = load_example("alexnet")
    assert parameter_count(net) == 61_100_840
    assert multiply_adds(net, B=1, H=224, W=224) == 714_188_480


def test_torchvision_weights() -> None:
    net = load_varied("alexnet", **SMALL)
    theirs = renamed(net, "torchvision")
    assert theirs.keys() == NAMES
    assert theirs["classifier.1.weight"].shape == (40, 9216)
    again = load_example("alexnet", weights=theirs, **SMALL)
    assert again.weights_from.map == "torchvision"
    assert_same_weights(again.weights, net.weights)
