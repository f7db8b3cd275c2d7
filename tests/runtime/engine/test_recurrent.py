"""The standard cells and scans against ONNX's LSTM, GRU and RNN, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from zoo.onnx_recurrent import onnx_recurrent

Array = np.ndarray[Any, Any]

X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32)
LENGTH = np.array([6, 2, 4])
FIRST = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def load(stages: str, result: str = "y", device: str = "cpu") -> nr.Network:
    inputs = "x: f32[B, T, 4], n: i32[B], first: f32[B, 5]"
    text = f"net 1.0\nmodel M({inputs}) {{\n  {stages}\n  return {result}\n}}"
    net = nr.load(text, device=device)
    rng = np.random.default_rng(1)
    varied = {k: v + rng.uniform(-0.3, 0.3, v.shape).astype(v.dtype) for k, v in net.weights.items()}
    return nr.load(text, varied, device=device)


def run(net: nr.Network, length: Array = LENGTH) -> Any:
    result = net(x=X, n=length, first=FIRST)
    values = result.values() if isinstance(result, dict) else [result]
    arrays = [v.get() if hasattr(v, "get") else v for v in values]
    return arrays if len(arrays) > 1 else arrays[0]


def weights(net: nr.Network, path: str) -> Mapping[str, Array]:
    return {k.removeprefix(f"{path}."): v for k, v in net.weights.items() if k.startswith(f"{path}.")}


CELLS = [
    ("LSTM", "LSTM(5)", {}),
    ("LSTM", "LSTM(5, bias=false)", {}),
    ("LSTM", "LSTM(5, peepholes=true)", {}),
    ("GRU", "GRU(5)", {"linear_before_reset": 1}),
    ("GRU", "GRU(5, reset_after=false)", {"linear_before_reset": 0}),
    ("GRU", "GRU(5, bias=false)", {"linear_before_reset": 1}),
    ("RNN", "RNN(5)", {"activations": ["Tanh"]}),
    ("RNN", "RNN(5, act=relu)", {"activations": ["Relu"]}),
]


@pytest.mark.parametrize(("kind", "cell", "attributes"), CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_cell_over_whole_sequences(
    kind: str, cell: str, attributes: Any, reverse: bool, device: str
) -> None:
    net = load(f"y = x -> r: scan {cell}{' reverse' if reverse else ''}", device=device)
    direction = "reverse" if reverse else "forward"
    expected = onnx_recurrent(kind, X, [weights(net, "r")], direction=direction, **attributes)
    np.testing.assert_allclose(run(net), expected[0], **CLOSE)


@pytest.mark.parametrize(("kind", "cell", "attributes"), CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_lengths_and_last_states(kind: str, cell: str, attributes: Any, reverse: bool) -> None:
    states = "h, c" if kind == "LSTM" else "h"
    net = load(
        f"y, {states} = x -> r: scan {cell}(length=n){' reverse' if reverse else ''} states", f"y, {states}"
    )
    direction = "reverse" if reverse else "forward"
    expected = onnx_recurrent(kind, X, [weights(net, "r")], direction=direction, length=LENGTH, **attributes)
    y, *last = run(net)
    np.testing.assert_allclose(y, expected[0], **CLOSE)
    for ours, theirs in zip(last, expected[1:], strict=True):
        np.testing.assert_allclose(ours, theirs[0], **CLOSE)
    assert (y[1, 2:] == 0).all() and (y[1, :2] != 0).any()


@pytest.mark.parametrize(("kind", "cell", "attributes"), [CELLS[0], CELLS[3], CELLS[6]])
def test_first_states_are_handed_in(kind: str, cell: str, attributes: Any) -> None:
    net = load(f"y = x -> r: scan {cell}(h=first)")
    first = {"h": FIRST} | ({"c": np.zeros_like(FIRST)} if kind == "LSTM" else {})
    expected = onnx_recurrent(kind, X, [weights(net, "r")], first=first, **attributes)
    np.testing.assert_allclose(run(net), expected[0], **CLOSE)


@pytest.mark.parametrize(("kind", "cell", "attributes"), [CELLS[0], CELLS[3], CELLS[6]])
def test_two_directions_in_two_layers(kind: str, cell: str, attributes: Any, device: str) -> None:
    net = load(f"y = x -> r: Recurrent({cell}, layers=2, bidirectional=true)(length=n)", device=device)
    x = X
    for layer in range(2):
        both = [weights(net, f"r.layer.{layer}.{name}") for name in ("fwd", "bwd")]
        twice = attributes | ({"activations": attributes["activations"] * 2} if kind == "RNN" else {})
        x = onnx_recurrent(kind, x, both, direction="bidirectional", length=LENGTH, **twice)[0]
    np.testing.assert_allclose(run(net), x, **CLOSE)


def test_layers_in_one_direction() -> None:
    net = load("y = x -> r: Recurrent(GRU(5), layers=3)")
    x = X
    for layer in range(3):
        x = onnx_recurrent("GRU", x, [weights(net, f"r.layer.{layer}.fwd")], linear_before_reset=1)[0]
    np.testing.assert_allclose(run(net), x, **CLOSE)


def test_no_steps_and_no_sequences() -> None:
    net = load("y, h, c = x -> r: scan LSTM(5)(h=first) states", "y, h, c")
    none = net(x=np.zeros((3, 0, 4), np.float32), n=LENGTH, first=FIRST)
    assert none["output0"].shape == (3, 0, 5)
    np.testing.assert_array_equal(none["output1"], FIRST)
    empty = net(x=np.zeros((0, 6, 4), np.float32), n=LENGTH[:0], first=FIRST[:0])
    assert empty["output0"].shape == (0, 6, 5)


def test_a_side_input_is_the_same_at_every_step() -> None:
    text = """net 1.0
cell Add(n)(x: [B, n], side: [B, n]) -> [B, n] {
  state total: [B, n] = zeros
  next total = total + x * side
  return total'
}
model M(x: f32[B, T, 4], side: f32[B, 4]) { return x -> scan Add(4)(side=side) }
"""
    side = np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32)
    expected = np.cumsum(X * side[:, None], axis=1)
    np.testing.assert_allclose(nr.load(text)(x=X, side=side), expected, **CLOSE)


def test_a_cache_that_grows_agrees_with_the_whole_sequence(device: str) -> None:
    text = """net 1.0
cell Cached(heads)(x: [B, D]) -> [B, D] {
  let dh = D // heads
  state K: [B, *past, D] = zeros
  state V: [B, *past, D] = zeros
  next K = concat(K, (x -> wk: Linear(D) -> [B, D] => [B, 1, D]), axis=1)
  next V = concat(V, (x -> wv: Linear(D) -> [B, D] => [B, 1, D]), axis=1)
  Q = x -> wq: Linear(D) -> [B, heads*dh] => [B, heads, 1, dh]
  keys = K' -> [B, P, heads*dh] => [B, heads, P, dh]
  values = V' -> [B, P, heads*dh] => [B, heads, P, dh]
  return attention(Q, keys, values) -> [B, heads, 1, dh] => [B, heads*dh] -> wo: Linear(D)
}
model Steps(x: f32[B, T, 8]) { return x -> a: scan Cached(2) }
model Whole(x: f32[B, T, 8]) { return x -> a: MultiHeadAttention(2, causal=true) }
"""
    x = np.random.default_rng(4).normal(size=(2, 7, 8)).astype(np.float32)
    steps, whole = (nr.load(text, model=name, device=device) for name in ("Steps", "Whole"))
    assert set(steps.weights) == set(whole.weights)
    results = [r.get() if hasattr(r, "get") else r for r in (steps(x=x), whole(x=x))]
    np.testing.assert_allclose(results[0], results[1], **CLOSE)


HELD = """net 1.0
cell Mixed(n)(x: [B, D], memory: [B, S, D]) -> [B, S, D] { return memory + unsqueeze(x, 1) }
model M(x: f32[B, T, 4], memory: f32[B, S, 4]) { return x -> scan Mixed(4)(memory=memory) }
"""
STATELESS = """net 1.0
cell Twice(n)(x: [B, D]) -> [B, D] { return x * 2 }
model M(x: f32[B, T, 4]) { return x -> scan Twice(4) }
"""


def test_a_cell_needs_no_state() -> None:
    np.testing.assert_array_equal(nr.load(STATELESS)(x=X), 2 * X)


@pytest.mark.parametrize("steps", [0, 3])
def test_free_sizes_of_a_cell_hold_for_no_steps_too(steps: int) -> None:
    x, memory = X[:2, :steps], np.ones((2, 5, 4), np.float32)
    result = nr.load(HELD)(x=x, memory=memory)
    np.testing.assert_array_equal(result, memory[:, None] + x[:, :, None])
    assert result.shape == (2, steps, 5, 4)
