"""Scans inside the cells of scans against finite differences: lengths, directions, states, weights, depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import check, check_hessian, loaded

CELLS = """
cell Words(n)(x: [B, I], side: [B, n]) -> [B, n] {
  param U: [n, n] = glorot
  state h: [B, n] = zeros
  next h = tanh((x -> w: Linear(n)) + h @ U + side)
  return h'
}
cell Lines(n)(x: [B, T, I]) -> [B, n] {
  param V: [n, n] = glorot
  state s: [B, n] = zeros
  inside = x -> words: scan Words(n)(side=s)
  next s = tanh(mean(inside, over=1) @ V + s)
  return s'
}
cell Pages(n)(x: [B, S, T, I]) -> [B, n] {
  state p: [B, n] = zeros
  inside = x -> lines: scan Lines(n)
  next p = tanh(sum(inside, over=1) + p)
  return p'
}
"""


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def nested(model: str) -> Any:
    return loaded(CELLS + model)


@pytest.mark.parametrize("reverse", ["", " reverse"])
def test_depth_two(reverse: str) -> None:
    net = nested(f"""
model M(x: f64[B, S, T, 2]) -> loss: f64[] {{
  y = x -> lines: scan Lines(3){reverse}
  return sum(y * y * y)
}}""")
    check(net, "loss", ["x", *net.weights], {"x": numbers(2, 3, 4, 2)})


def test_depth_three() -> None:
    net = nested("""
model M(x: f64[B, R, S, T, 2]) -> loss: f64[] {
  y = x -> pages: scan Pages(2)
  return sum(y * y * y)
}""")
    assert "pages.lines.words.U" in net.weights
    check(net, "loss", ["x", *net.weights], {"x": numbers(2, 2, 3, 2, 2)})


def test_lengths_outside_and_a_reversed_scan_inside() -> None:
    net = loaded("""
cell Outer(x: [B, T, I], short: [B]) -> [B, I] {
  state h: [B, I] = zeros
  y, last = x -> inner: scan RNN(2)(h=h, length=cast(short, i32)) reverse states
  next h = tanh(sum(y, over=1) + last)
  return h'
}
model M(x: f64[B, S, T, 2], h0: f64[B, 2], short: f64[B], length: i32[B]) -> loss: f64[] {
  y, last = x -> outer: scan Outer(short=short, length=length, h=h0) states
  return sum(y * y * y) + sum(last * last)
}""")
    inputs = {
        "x": numbers(3, 3, 4, 2),
        "h0": numbers(3, 2, seed=1),
        "short": np.array([4.0, 2.0, 1.0]),
        "length": np.array([3, 1, 2], np.int32),
    }
    check(net, "loss", ["x", "h0", *net.weights], inputs)


def test_a_weight_held_by_both_scans() -> None:
    """The matrix multiplies the state of both cells, and what is inside waits for the end of each loop."""
    net = loaded("""
cell Inner(x: [B, I], W: [I, I]) -> [B, I] {
  state h: [B, I] = zeros
  next h = tanh(x + h @ W + sum(h))
  return h'
}
cell Outer(x: [B, T, I], W: [I, I]) -> [B, I] {
  param b: [I] = normal(1)
  state h: [B, I] = zeros
  y = x -> inner: scan Inner(W=W)
  next h = tanh(mean(y, over=1) @ W + h @ W + b)
  return h'
}
model M(x: f64[B, S, T, 2], W: f64[2, 2]) -> loss: f64[] {
  y = x -> outer: scan Outer(W=W)
  return sum(y * y * y)
}""")
    check(net, "loss", ["x", "W", *net.weights], {"x": numbers(2, 3, 2, 2), "W": numbers(2, 2, seed=2)})


def test_second_derivatives() -> None:
    net = nested("""
model M(x: f64[B, S, T, 2]) -> loss: f64[] {
  y = x -> lines: scan Lines(2)
  return sum(y * y * y)
}""")
    inputs = {"x": numbers(2, 2, 3, 2)}
    check_hessian(net, "loss", "x", inputs)
    check_hessian(net, "loss", "lines.V", inputs)
    check_hessian(net, "loss", "lines.words.U", inputs)


def test_computed_again_to_the_bit() -> None:
    text = (
        CELLS
        + """
block Reader(x: [B, S, T, I]) -> [B, S, 3] { return x -> lines: scan Lines(3) }
model M(x: f64[B, S, T, 2]) -> loss: f64[] {
  y = x -> reader: Reader
  return sum(y * y * y)
}"""
    )
    net, inputs = loaded(text), {"x": numbers(2, 3, 4, 2)}
    wrt = ["x", *net.weights]
    kept = net.grad("loss", wrt).run(inputs)
    again = net.grad("loss", wrt, recompute=["reader"]).run(inputs)
    assert all(np.array_equal(kept[name], again[name]) for name in wrt)


def test_no_steps_inside() -> None:
    net = nested(
        """
model M(x: f64[B, S, T, 2]) -> loss: f64[] {
  y = x -> lines: scan Lines(2)
  return sum(y * y) + sum(x)
}""".replace("mean(inside", "sum(inside")
    )
    found = net.grad("loss", ["x", "lines.words.U"]).run({"x": numbers(2, 0, 3, 2)})
    assert found["x"].shape == (2, 0, 3, 2)
    assert not found["lines.words.U"].any()


def test_a_state_that_grows_inside_refuses() -> None:
    net = loaded("""
cell Grow(x: [B, I]) -> [B, I] {
  state K: [B, *past, I] = zeros
  next K = concat(K, (x -> [B, I] => [B, 1, I]), axis=1)
  return sum(K', over=1)
}
cell Outer(x: [B, T, I]) -> [B, I] {
  state h: [B, I] = zeros
  y = x -> grow: scan Grow
  next h = h + sum(y, over=1)
  return h'
}
model M(x: f64[B, S, T, 2]) -> loss: f64[] {
  y = x -> outer: scan Outer
  return sum(y)
}""")
    with pytest.raises(Exception, match="a scan whose state grows has no gradient"):
        net.grad("loss", ["x"])
