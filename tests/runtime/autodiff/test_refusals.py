"""Gradients that cannot be taken are refused with the place and a way out."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.diagnostics import NetError

LINEAR = "net 1.0\nmodel M(x: f64[B, 3]) -> loss: f64 { return x -> a: Linear(2) -> square -> sum }\n"

NESTED = """net 1.0
cell Inner(n)(x: [B, I]) -> [B, n] {
  state h: [B, n] = zeros
  next h = tanh((x -> w: Linear(n)) + h)
  return h'
}
cell Outer(n)(x: [B, T, I]) -> [B, n] {
  state h: [B, n] = zeros
  inside = x -> inner: scan Inner(n)
  next h = tanh(mean(inside, over=1) + h)
  return h'
}
model M(x: f32[B, S, T, 3]) -> loss: f32 { return x -> outer: scan Outer(4) -> square -> sum }
"""


def test_a_scan_inside_a_cell_is_refused_at_its_place() -> None:
    network = nr.load(NESTED)
    with pytest.raises(NetError, match="a scan inside a cell has no gradient") as failed:
        network.grad("loss", ["x"])
    found = failed.value.diagnostics[0]
    assert found.code == "E1132"
    assert found.span is not None and found.span.line == 9
    assert "B*S" in (found.help or "")


def test_a_direction_needs_a_name_of_its_own() -> None:
    gradient = nr.load(LINEAR).grad("loss", ["x"])
    with pytest.raises(nr.DataInputError, match="has an input `x` already") as failed:
        gradient.vjp("x", ["x"], "x")
    assert failed.value.code == "E1135"


def test_two_directions_need_two_names() -> None:
    once = nr.load(LINEAR).vjp("a", ["x"])
    with pytest.raises(nr.DataInputError, match="`direction` already"):
        once.vjp("x", ["a.weight"])


def test_one_name_may_stand_for_a_list_of_one() -> None:
    network = nr.load(LINEAR)
    x = np.ones((2, 3))
    assert (network.grad("loss", "a.weight")(x=x) == network.grad("loss", ["a.weight"])(x=x)).all()
