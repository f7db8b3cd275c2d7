"""ResNet-18 against a graph written on torchvision's names, layout and published counts."""

from __future__ import annotations

import numpy as np

from zoo import resnets
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

DEPTH = [2, 2, 2, 2]


def test_outputs() -> None:
    net = load_varied("resnet18", classes=10)
    image = uniform(2, 3, 64, 96)
    expected = resnets.logits(renamed(net, "torchvision"), image, DEPTH, convs=2)
    assert_close(net(image=image), expected)


def test_counts() -> None:
    """As torchvision states them: 11,689,512 parameters and 1.81 G multiply-adds."""
    net = load_example("resnet18")
    assert parameter_count(net) == 11_689_512
    assert multiply_adds(net, B=1, H=224, W=224) == 1_814_073_344


def test_torchvision_weights() -> None:
    """Batch counters, which only training reads, are left out."""
    net = load_varied("resnet18", classes=10)
    names = set(resnets.names(DEPTH, convs=2, first_shortcut=False))
    counters = {name for name in names if name.endswith("num_batches_tracked")}
    theirs = renamed(net, "torchvision")
    assert theirs.keys() == names - counters
    assert theirs["fc.weight"].shape == (10, 512)
    theirs |= {name: np.array(0) for name in counters}
    again = load_example("resnet18", weights=theirs, classes=10)
    assert_same_weights(again.weights, net.weights)
