"""Residual networks as torchvision names and computes them, for blocks of two or three convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from zoo.examples import Array
from zoo.onnx_graphs import OnnxGraph

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def names(depth: Sequence[int], convs: int, first_shortcut: bool) -> Iterator[str]:
    """Every name of the state dictionary. `first_shortcut`: whether `layer1.0` has a `downsample`."""
    yield from ("conv1.weight", *(f"bn1.{part}" for part in NORM), "fc.weight", "fc.bias")
    for stage, count in enumerate(depth, 1):
        for i in range(count):
            block = f"layer{stage}.{i}"
            for n in range(1, convs + 1):
                yield from (f"{block}.conv{n}.weight", *(f"{block}.bn{n}.{part}" for part in NORM))
            if i == 0 and (stage > 1 or first_shortcut):
                yield f"{block}.downsample.0.weight"
                yield from (f"{block}.downsample.1.{part}" for part in NORM)


def logits(weights: Mapping[str, Array], image: Array, depth: Sequence[int], convs: int) -> Array:
    """What torchvision's ResNet computes; the stride is in the 3 x 3 of the first block of a stage."""
    graph = OnnxGraph(weights, torch=True)
    x = graph.conv(graph.input("image", image), "conv1", stride=2, pad=3)
    x = graph.max_pool(graph.relu(graph.batch_norm(x, "bn1")), 3, 2, pad=1)
    for stage, count in enumerate(depth, 1):
        for i in range(count):
            x = _block(graph, x, f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1, convs)
    (result,) = graph.run(graph.dense(graph.global_avg_pool(x), "fc"))
    return result


def _block(graph: OnnxGraph, x: str, block: str, stride: int, convs: int) -> str:
    strided = 1 if convs == 2 else 2
    y = x
    for n in range(1, convs + 1):
        window = graph.weights[f"{block}.conv{n}.weight"].shape[-1]
        y = graph.conv(y, f"{block}.conv{n}", stride if n == strided else 1, pad=window // 2)
        y = graph.batch_norm(y, f"{block}.bn{n}")
        y = graph.relu(y) if n < convs else y
    if f"{block}.downsample.0.weight" in graph.weights:
        x = graph.batch_norm(graph.conv(x, f"{block}.downsample.0", stride), f"{block}.downsample.1")
    return graph.relu(graph.add("Add", x, y))
