"""Gradients that cannot be taken are refused with the place and a way out."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr

LINEAR = "net 1.0\nmodel M(x: f64[B, 3]) -> loss: f64 { return x -> a: Linear(2) -> square -> sum }\n"


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
