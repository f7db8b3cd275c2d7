"""Backpropagation through time against finite differences: cells, lengths, directions, states, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import check, check_hessian, loaded

from netdsl.diagnostics import NetError

CELLS = [
    "RNN(3)",
    "LSTM(3)",
    "LSTM(3, peepholes=true)",
    "GRU(3)",
    "GRU(3, reset_after=false)",
    "RNN(3, act=relu)",
]


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def weights_of(net: Any) -> list[str]:
    return list(net.weights)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reverse", ["", " reverse"])
def test_cells(cell: str, reverse: str) -> None:
    net = loaded(
        f"""
model M(x: f64[B, T, 2], w: f64[B, T, 3]) -> loss: f64[] {{
  return sum((x -> rnn: scan {cell}{reverse}) * w)
}}"""
    )
    inputs = {"x": numbers(2, 4, 2), "w": numbers(2, 4, 3, seed=1)}
    check(net, "loss", ["x", *weights_of(net)], inputs)


@pytest.mark.parametrize("reverse", ["", " reverse"])
def test_lengths_and_last_states(reverse: str) -> None:
    net = loaded(
        f"""
model M(x: f64[B, T, 2], h0: f64[B, 3], c0: f64[B, 3], length: i32[B]) -> loss: f64[] {{
  y, h, c = x -> rnn: scan LSTM(3)(length=length, h=h0, c=c0){reverse} states
  return sum(y * y) + sum(h * c) + sum(h)
}}"""
    )
    inputs = {
        "x": numbers(3, 4, 2),
        "h0": numbers(3, 3, seed=1),
        "c0": numbers(3, 3, seed=2),
        "length": np.array([4, 2, 0], np.int32),
    }
    check(net, "loss", ["x", "h0", "c0", *weights_of(net)], inputs)


def test_two_layers_both_ways() -> None:
    net = loaded(
        """
model M(x: f64[B, T, 2], length: i32[B]) -> loss: f64[] {
  y = x -> rnn: Recurrent(GRU(2), layers=2, bidirectional=true)(length=length)
  return sum(y * y)
}"""
    )
    check(net, "loss", ["x", *weights_of(net)], {"x": numbers(2, 3, 2), "length": np.array([3, 2], np.int32)})


def test_a_cell_that_mixes_rows_and_reads_side_inputs() -> None:
    net = loaded(
        """
cell Mixed(x: [B, I], side: [B, I]) -> [B, I] {
  param W: [I, I] = glorot
  param scale: [I] = ones
  state h: [B, I] = zeros
  all = sum(x * side) + sum(h)
  next h = tanh(h @ W + x * scale + all / 10.0)
  return h' * side
}

model M(x: f64[B, T, 2], side: f64[B, 2]) -> loss: f64[] {
  y = x -> mixed: scan Mixed(side=side)
  return sum(y * y * y)
}"""
    )
    check(
        net,
        "loss",
        ["x", "side", "mixed.W", "mixed.scale"],
        {"x": numbers(2, 3, 2), "side": numbers(2, 2, seed=1)},
    )


@pytest.mark.parametrize(
    "step",
    [
        "tanh(tanh(h @ W + b) @ W + x + b * x)",  # both products are multiplied after the loop
        "tanh((h + x) @ W + sum(W * sum(h)) + b * h)",  # one use waits until after the loop, and one does not
    ],
)
def test_a_weight_that_a_cell_uses_twice(step: str) -> None:
    net = loaded(
        f"""
cell Twice(x: [B, I]) -> [B, I] {{
  param W: [I, I] = glorot
  param b: [I] = normal(1)
  state h: [B, I] = zeros
  next h = {step}
  return h'
}}

model M(x: f64[B, T, 2]) -> loss: f64[] {{
  y = x -> cell: scan Twice
  return sum(y * y * y)
}}"""
    )
    check(net, "loss", ["x", "cell.W", "cell.b"], {"x": numbers(2, 4, 2)})


def test_a_side_input_beside_products() -> None:
    """The gradient of the products is that of the sequence, and of the side input over all steps."""
    net = loaded(
        """
cell Beside(x: [B, I], side: [B, I]) -> [B, I] {
  param U: [I, I] = glorot
  state h: [B, I] = zeros
  next h = tanh((x -> w: Linear(2)) + h @ U + side)
  return h'
}

model M(x: f64[B, T, 2], side: f64[B, 2]) -> loss: f64[] {
  y = x -> beside: scan Beside(side=side)
  return sum(y * y * y)
}"""
    )
    inputs = {"x": numbers(2, 3, 2), "side": numbers(2, 2, seed=1)}
    check(net, "loss", ["x", "side", *net.weights], inputs)


def test_dropout_inside_a_cell_uses_one_mask_both_ways() -> None:
    net = loaded(
        """
cell Dropped(x: [B, I]) -> [B, I] {
  param W: [I, I] = glorot
  state h: [B, I] = zeros
  next h = dropout(tanh(h @ W + x), p=0.4)
  return h'
}

model M(x: f64[B, T, 4]) -> loss: f64[] {
  y = x -> cell: scan Dropped
  return sum(y * y)
}"""
    )
    lowered = net.grad("loss", ["x"])
    assert lowered.run({"x": numbers(2, 3, 4)})["x"].shape == (2, 3, 4)


def test_no_steps() -> None:
    net = loaded(
        """
model M(x: f64[B, T, 2], h0: f64[B, 3]) -> loss: f64[] {
  y, h = x -> rnn: scan RNN(3)(h=h0) states
  return sum(y) + sum(h * h)
}"""
    )
    found = net.grad("loss", ["x", "h0", *weights_of(net)]).run({"x": numbers(2, 0, 2), "h0": numbers(2, 3)})
    np.testing.assert_allclose(found["h0"], 2 * numbers(2, 3))
    assert found["x"].shape == (2, 0, 2)
    assert not found["rnn.U"].any()


def test_second_derivatives_through_time() -> None:
    net = loaded(
        """
model M(x: f64[B, T, 2]) -> loss: f64[] {
  y = x -> rnn: scan RNN(2)
  return sum(y * y * y)
}"""
    )
    check_hessian(net, "loss", "x", {"x": numbers(2, 3, 2)})
    check_hessian(net, "loss", "rnn.U", {"x": numbers(2, 3, 2)})


def test_a_growing_state_refuses() -> None:
    net = loaded(
        """
cell Grow(x: [B, I]) -> [B, I] {
  state K: [B, *past, I] = zeros
  next K = concat(K, (x -> [B, I] => [B, 1, I]), axis=1)
  return sum(K', over=1)
}

model M(x: f64[B, T, 2]) -> loss: f64[] {
  y = x -> grow: scan Grow
  return sum(y)
}"""
    )
    with pytest.raises(NetError) as caught:
        net.grad("loss", ["x"])
    assert caught.value.code == "E1133"
