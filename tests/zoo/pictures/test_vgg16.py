"""VGG-16 against a graph written on torchvision's names, layout and published counts."""

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

SMALL = {"size": 64, "hidden": 40, "classes": 10}
STAGES = [[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]]
LAYERS = [f"features.{n}" for stage in STAGES for n in stage] + [f"classifier.{n}" for n in (0, 3, 6)]
NAMES = {f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")}


def test_outputs() -> None:
    net = load_varied("vgg16", **SMALL)
    image = uniform(1, 3, 64, 64)
    graph = OnnxGraph(renamed(net, "torchvision"), torch=True)
    x = graph.input("image", image)
    for stage in STAGES:
        for layer in stage:
            x = graph.relu(graph.conv(x, f"features.{layer}", pad=1))
        x = graph.max_pool(x, 2, 2)
    x = graph.relu(graph.dense(graph.flatten(x), "classifier.0"))
    x = graph.relu(graph.dense(x, "classifier.3"))
    (expected,) = graph.run(graph.dense(x, "classifier.6"))
    assert_close(net(image=image), expected)


def test_counts() -> None:
    """As torchvision states them: 138,357,544 parameters and 15.47 G multiply-adds."""
    net = load_example("vgg16")
    assert parameter_count(net) == 138_357_544
    assert multiply_adds(net, B=1) == 15_470_264_320


def test_torchvision_weights() -> None:
    net = load_varied("vgg16", **SMALL)
    theirs = renamed(net, "torchvision")
    assert theirs.keys() == NAMES
    assert theirs["features.10.weight"].shape == (256, 128, 3, 3)
    assert theirs["classifier.0.weight"].shape == (40, 512 * 2 * 2)
    again = load_example("vgg16", weights=theirs, **SMALL)
    assert_same_weights(again.weights, net.weights)
