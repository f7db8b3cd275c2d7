"""A map that leaves out one of PyTorch's two biases loads, and says so."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import netruntime as nr
from netruntime.errors import DataWarning

NET = """net 1.0

model M(x: f32[B, T, 4]) -> y: f32[B, T, 3] {{ return x -> fwd: scan LSTM(3) }}

weights theirs {{
  "weight_ih_l0" => "fwd.W" transpose
  "weight_hh_l0" => "fwd.U" transpose
  {rules}
}}
"""
DROPPED = '"bias_{a}_l0" => "fwd.b"\n  "bias_{b}_l0" => none'


def checkpoint(second: float) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (12, 4), "weight_hh_l0": (12, 3), "bias_ih_l0": (12,), "bias_hh_l0": (12,)}
    arrays = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["bias_hh_l0"] *= second
    return arrays


@pytest.mark.parametrize(("read", "dropped"), [("ih", "hh"), ("hh", "ih")])
def test_a_bias_that_is_left_out_is_named(read: str, dropped: str) -> None:
    text = NET.format(rules=DROPPED.format(a=read, b=dropped))
    with pytest.warns(DataWarning, match=f"`bias_{dropped}_l0` is left out, .* `bias_{read}_l0`") as caught:
        nr.load(text, weights=checkpoint(1.0))
    assert f'"bias_{read}_l0" + "bias_{dropped}_l0" => ...' in str(caught[0].message)


@pytest.mark.parametrize(
    ("rules", "second"),
    [(DROPPED.format(a="ih", b="hh"), 0.0), ('"bias_ih_l0" + "bias_hh_l0" => "fwd.b"', 1.0)],
)
def test_a_bias_of_zeros_may_be_left_out_and_a_sum_is_right(rules: str, second: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nr.load(NET.format(rules=rules), weights=checkpoint(second))
