"""The recurrent examples against ONNX's RNN, LSTM and GRU, with an ordinary dense layer after them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from netruntime.engine.network import Network
from zoo.examples import Array, assert_close, load_example, load_varied, parameter_count, uniform
from zoo.onnx_recurrent import onnx_recurrent

LENGTH = np.array([6, 2, 4])


def under(net: Network, path: str) -> Mapping[str, Array]:
    return {k.removeprefix(f"{path}."): v for k, v in net.weights.items() if k.startswith(f"{path}.")}


def dense(net: Network, x: Array) -> Array:
    return np.asarray(x @ net.weights["out.weight"] + net.weights["out.bias"])


@pytest.mark.parametrize(("name", "kind"), [("rnn", "RNN"), ("lstm", "LSTM")])
def test_the_last_state_names_the_class(name: str, kind: str) -> None:
    net = load_varied(name)
    x = uniform(3, 6, 8)
    _, last, *_ = onnx_recurrent(kind, x, [under(net, name)], length=LENGTH)
    assert_close(net(x=x, length=LENGTH), dense(net, last[0]))


def test_gru_in_two_layers() -> None:
    net = load_varied("gru")
    x = hidden = uniform(3, 6, 8)
    for i in range(2):
        cell = under(net, f"gru.layer.{i}.fwd")
        hidden = onnx_recurrent("GRU", hidden, [cell], linear_before_reset=1)[0]
    assert_close(net(x=x), dense(net, hidden))


def test_bilstm_tagger() -> None:
    net = load_varied("bilstm_tagger", vocab=40, dim=7, hidden=6)
    words = np.random.default_rng(5).integers(0, 40, (3, 6))
    embedded = net.weights["embed.weight"][words]
    both = [under(net, "fwd"), under(net, "bwd")]
    hidden = onnx_recurrent("LSTM", embedded, both, direction="bidirectional", length=LENGTH)[0]
    assert_close(net(words=words, length=LENGTH), dense(net, hidden))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("rnn", 32 * (8 + 32 + 1) + 33 * 4),
        ("lstm", 4 * 32 * (8 + 32 + 1) + 33 * 4),
        ("gru", 3 * 32 * (8 + 32 + 2) + 3 * 32 * (32 + 32 + 2) + 33 * 8),
        ("bilstm_tagger", 10_000 * 100 + 2 * 4 * 128 * (100 + 128 + 1) + 257 * 17),
    ],
)
def test_counts(name: str, count: int) -> None:
    """By the formulas of the papers; our GRU has the second bias that cuDNN's has."""
    assert parameter_count(load_example(name)) == count
