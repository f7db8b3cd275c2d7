"""Blocks that are computed again for the backward pass: less is kept, and every gradient stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.checker import check
from netdsl.graph import build
from netruntime.engine.backends import DeviceChoice, open_device
from netruntime.engine.loading import open_module
from netruntime.engine.network import Network
from netruntime.engine.steps import Plan
from netruntime.engine.weights import open_weights
from netruntime.native.options import EngineName, EngineOptions

DEEP = """net 1.0
model Deep(x: f32[B, S, 16]) -> loss: f32[] {
  return x
    -> encoder: EncoderLayer(4, 32, act=gelu, dropout=0.3) * 8
    -> square -> mean
}
"""
RECURRENT = """net 1.0
model Deep(x: f32[B, S, 16]) -> loss: f32[] {
  return x -> encoder: for i in 0..4 { lstm: scan LSTM(16) -> Dropout(0.3) } -> square -> mean
}
"""
SIZES = {"B": 4, "S": 12}


def training(text: str, engine: EngineName = "auto") -> Network:
    checked = check(open_module(text), training=True)
    graph = build(checked.models["Deep"])
    store = open_weights(graph, None, {}, None, 1)
    device = open_device(DeviceChoice(options=EngineOptions(engine)))
    return Network(checked, checked.models["Deep"], store, device, 1)


def peak_bytes(net: Network, plan: Plan) -> int:
    """The most bytes that values of steps take at a time, every value counted at its full size."""
    sizes = {}
    live: set[int] = set()
    most = 0
    for step in plan.steps:
        types = net.graph.node(step.node).types
        for place, type_ in zip(step.outputs, types, strict=True):
            sizes[place] = type_.bytes.evaluate(SIZES)
        live |= set(step.outputs)
        most = max(most, sum(sizes[place] for place in live))
        live -= set(step.frees)
    return most


@pytest.mark.parametrize("text", [DEEP, RECURRENT], ids=["transformer", "lstm"])
def test_gradients_are_the_same_to_the_bit(text: str) -> None:
    """Dropout included: its second mask is its first."""
    net = training(text)
    wrt = ["x", *net.weights]
    x = np.random.default_rng(0).normal(size=(4, 12, 16)).astype(np.float32)
    kept, again = (net.grad("loss", wrt, recompute=patterns) for patterns in ([], ["encoder.*"]))
    expected, found = kept(x=x), again(x=x)
    for name in wrt:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_less_is_kept() -> None:
    net = training(DEEP, "numpy")
    wrt = ["x", *net.weights]
    peaks = []
    for patterns in ([], ["encoder.7"], ["encoder.[0-3]"], ["encoder.*"]):
        gradient = net.grad("loss", wrt, recompute=patterns)
        peaks.append(peak_bytes(gradient, gradient.plan(SIZES)))
    assert peaks[0] > peaks[2] > peaks[3]
    assert peaks[3] < peaks[0] / 2


def test_what_matches_nothing_changes_nothing() -> None:
    net = nr.load(DEEP)
    plain, odd = (net.grad("loss", ["x"], recompute=p) for p in ([], ["decoder.*"]))
    assert len(plain.graph) == len(odd.graph)
