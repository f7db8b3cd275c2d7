"""The variational autoencoder: its networks against a hand-made graph, and the chance in it."""

from __future__ import annotations

import numpy as np

from zoo.examples import assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_graphs import OnnxGraph


def test_outputs() -> None:
    """The noise is read from the network and given to the graph; all else is computed twice."""
    net = load_varied("vae", hidden=50, latent=6)
    image = uniform(4, 784, low=0)
    noise = net.tap("epsilon")(image=image)
    graph = OnnxGraph(net.weights)
    h = graph.add("Tanh", graph.dense(graph.input("image", image), "encoder"))
    mu, logvar = graph.dense(h, "mu"), graph.dense(h, "logvar")
    sigma = graph.add("Sqrt", graph.add("Exp", logvar))
    z = graph.add("Add", mu, graph.add("Mul", sigma, graph.input("noise", noise)))
    y = graph.add("Sigmoid", graph.dense(graph.add("Tanh", graph.dense(z, "decoder")), "out"))
    found = net(image=image)
    assert list(found) == ["reconstruction", "mu", "logvar"]
    for actual, expected in zip(found.values(), graph.run(y, mu, logvar), strict=True):
        assert_close(actual, expected)


def test_noise_is_standard_normal() -> None:
    noise = load_example("vae", hidden=4, latent=100).tap("epsilon")(image=uniform(400, 784))
    assert noise.shape == (400, 100)
    assert abs(noise.mean()) < 0.02  # 4 standard errors of 40,000 draws
    assert abs(noise.std() - 1) < 0.015


def test_seed_decides_the_sample() -> None:
    net = load_varied("vae", hidden=50, latent=6)
    image = uniform(2, 784, low=0)
    first, again, other = (net.run({"image": image}, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["reconstruction"], again["reconstruction"])
    assert np.abs(first["reconstruction"] - other["reconstruction"]).max() > 0.01
    np.testing.assert_array_equal(first["mu"], other["mu"])


def test_counts() -> None:
    """Five dense layers: 784 to 500, twice 500 to 20, 20 to 500, and 500 to 784."""
    expected = 784 * 500 + 500 + 2 * (500 * 20 + 20) + 20 * 500 + 500 + 500 * 784 + 784
    assert parameter_count(load_example("vae")) == expected
