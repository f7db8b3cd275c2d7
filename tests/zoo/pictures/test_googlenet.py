"""GoogLeNet against a hand-made graph, and its sizes against table 1 of the paper."""

from __future__ import annotations

import pytest

from zoo.examples import assert_close, load_example, load_varied, multiply_adds, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph


def inception(graph: OnnxGraph, x: str, name: str) -> str:
    one = graph.relu(graph.conv(x, f"{name}.one"))
    three = graph.relu(graph.conv(x, f"{name}.reduce3"))
    three = graph.relu(graph.conv(three, f"{name}.three", pad=1))
    five = graph.relu(graph.conv(x, f"{name}.reduce5"))
    five = graph.relu(graph.conv(five, f"{name}.five", pad=2))
    pool = graph.relu(graph.conv(graph.max_pool(x, 3, 1, pad=1), f"{name}.proj"))
    return graph.add("Concat", one, three, five, pool, axis=1)


def test_outputs() -> None:
    """Pixels run to 255: at small values the normalisation across channels would change nothing."""
    net = load_varied("googlenet", classes=10)
    image = uniform(1, 3, 224, 224, low=0, high=255)
    graph = OnnxGraph(net.weights)
    x = graph.relu(graph.conv(graph.input("image", image), "conv1", stride=2, pad=3))
    x = graph.local_response_norm(graph.max_pool(x, 3, 2, ceil=True))
    x = graph.relu(graph.conv(x, "reduce2"))
    x = graph.local_response_norm(graph.relu(graph.conv(x, "conv2", pad=1)))
    x = graph.max_pool(x, 3, 2, ceil=True)
    for name in ("3a", "3b", "", "4a", "4b", "4c", "4d", "4e", "", "5a", "5b"):
        x = inception(graph, x, f"inception{name}") if name else graph.max_pool(x, 3, 2, ceil=True)
    (expected,) = graph.run(graph.dense(graph.global_avg_pool(x), "fc"))
    assert_close(net(image=image), expected)


def test_outputs_of_table_1() -> None:
    """The column "output size", rows and channels, of each inception."""
    net = load_example("googlenet")
    found = {
        data.label.split(".")[0]: (data.types[0].shape[2].value, data.types[0].shape[1].value)
        for _, data in net.graph.operators()
        if data.op.name == "concat"
    }
    assert found == {
        "inception3a": (28, 256),
        "inception3b": (28, 480),
        "inception4a": (14, 512),
        "inception4b": (14, 512),
        "inception4c": (14, 512),
        "inception4d": (14, 528),
        "inception4e": (14, 832),
        "inception5a": (7, 832),
        "inception5b": (7, 1024),
    }


def test_operations_of_table_1() -> None:
    """The column "ops", in millions, cut or rounded.

    Two of its numbers are not those of the layers that the table describes, and left out here: the
    first convolution (34M; 64 windows of 7 x 7 x 3 at 112 x 112 places are 118M), and 5a (54M; 51M).
    """
    net = load_example("googlenet")
    published = {"3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5b": 71}
    found = {name: multiply_adds(net, f"inception{name}", B=1) / 1e6 for name in published}
    assert found == pytest.approx(published, abs=1)
    convs = multiply_adds(net, "reduce2", B=1) + multiply_adds(net, "conv2", B=1)
    assert convs / 1e6 == pytest.approx(360, abs=1)
    norms = 5 * 56 * 56 * (64 + 192)  # a sum over 5 channels at each place, which the table leaves out
    assert multiply_adds(net, B=1) == 1_582_671_872 + norms


def test_counts() -> None:
    """The parameters of the layers that table 1 describes, with biases.

    Its own column "params" adds up to some 6.8 M, by numbers that several of these layers do not have.
    """
    assert parameter_count(load_example("googlenet")) == 6_998_552
