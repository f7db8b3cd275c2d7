"""DCGAN's two networks, each against a hand-made graph."""

from __future__ import annotations

from zoo.examples import assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph

SMALL = {"latent": 10, "width": 4}


def test_generator() -> None:
    net = load_varied("gan", "Generator", gain=5.0, **SMALL)
    z = uniform(2, 10)
    graph = OnnxGraph(net.weights)
    x = graph.reshape(graph.dense(graph.input("z", z), "project"), 2, 32, 4, 4)
    x = graph.relu(graph.batch_norm(x, "bn"))
    for layer in ("up1", "up2", "up3"):
        x = graph.conv_transpose(x, f"{layer}.conv", stride=2, pad=2, output_pad=1)
        x = graph.relu(graph.batch_norm(x, f"{layer}.bn"))
    x = graph.add("Tanh", graph.conv_transpose(x, "out", stride=2, pad=2, output_pad=1))
    (expected,) = graph.run(x)
    assert_close(net(z=z), expected)


def test_discriminator() -> None:
    net = load_varied("gan", "Discriminator", gain=5.0, **SMALL)
    image = uniform(3, 3, 64, 64)
    graph = OnnxGraph(net.weights)
    x = graph.conv(graph.input("image", image), "down1", stride=2, pad=2)
    x = graph.add("LeakyRelu", x, alpha=0.2)
    for layer in ("down2", "down3", "down4"):
        x = graph.batch_norm(graph.conv(x, f"{layer}.conv", stride=2, pad=2), f"{layer}.bn")
        x = graph.add("LeakyRelu", x, alpha=0.2)
    (expected,) = graph.run(graph.add("Sigmoid", graph.dense(graph.flatten(x), "out")))
    assert_close(net(image=image), expected)


def test_generated_images_can_be_judged() -> None:
    generate, judge = (load_varied("gan", model, **SMALL) for model in ("Generator", "Discriminator"))
    image = generate(z=uniform(2, 10))
    assert image.shape == (2, 3, 64, 64)
    assert judge(image=image).shape == (2, 1)


def test_counts() -> None:
    """The paper's figure 1: 100 to 1024 x 4 x 4, then 512, 256, 128 and 3 channels by windows of 5 x 5."""
    windows = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    norms = 2 * (1024 + 512 + 256 + 128)
    assert parameter_count(load_example("gan", "Generator")) == 100 * 1024 * 16 + windows + norms + 3
    dense = 1024 * 4 * 4 + 1
    norms = 2 * (256 + 512 + 1024)
    assert parameter_count(load_example("gan", "Discriminator")) == windows + 128 + norms + dense
