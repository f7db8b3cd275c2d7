"""Gradients as networks: what they share with others, and what is refused in words."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from differences import check, loaded

from netdsl.diagnostics import NetError
from netruntime.draw import draw_svg

SHARED = """
model Shared(x: f64[B, 3]) -> (loss: f64[], y: f64[B, 3]) {
  layer twice = Linear(3)
  h = tanh(twice(x))
  y = twice(h)
  return mean(y * y), y
}
"""


def numbers(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape)


def test_shared_weights_accumulate() -> None:
    check(loaded(SHARED), "loss", ["x", "twice.weight", "twice.bias"], {"x": numbers(4, 3)})


def test_the_backward_pass_is_part_of_the_graph() -> None:
    net = loaded(SHARED).grad("loss", ["x"])
    assert isinstance(net.graph, nx.MultiDiGraph) and nx.is_directed_acyclic_graph(net.graph)
    labels = [data.label for _, data in net.graph.operators()]
    assert any(label.startswith("grad.") for label in labels)
    assert all(data.span is not None for _, data in net.graph.operators())
    assert "grad" in draw_svg(net.graph, title="gradient")
    assert any(row.path.startswith("grad") for row in net.summary().rows)
    assert str(net.outputs["x"]) == "f64[B, 3]"


def test_what_is_computed_again_is_drawn_beside_the_first_time() -> None:
    source = """
block Part(x: [B, D]) -> [B, D] { return x -> a: Linear(D) -> tanh -> dropout(p=0.3) -> b: Linear(D) }
model Deep(x: f64[B, 3]) -> loss: f64[] {
  y = x -> part: Part * 3
  return mean(y * y)
}
"""
    net = loaded(source)
    kept, again = net.grad("loss", ["x"]), net.grad("loss", ["x"], recompute=["part.*"])
    inputs = {"x": numbers(4, 3)}
    np.testing.assert_array_equal(kept.run(inputs, seed=3)["x"], again.run(inputs, seed=3)["x"])
    assert "again" in draw_svg(again.graph, title="again")
    assert len(again.graph) > len(kept.graph)


def test_an_inner_value_asked_for_twice() -> None:
    net = loaded(SHARED)
    inputs = {"x": numbers(4, 3)}
    h, y = net.tap("h").run(inputs)["h"], net.run(inputs)["y"]
    weight = net.weights["twice.weight"]
    expected = 2 / y.size * y @ weight.T
    found = net.grad("loss", ["h", "x", "h"])
    assert list(found.outputs) == ["h", "x"] and h.shape == (4, 3)
    np.testing.assert_allclose(found.run(inputs)["h"], expected, rtol=1e-12)


def test_the_product_with_a_direction_is_the_gradient_of_a_sum() -> None:
    net = loaded(SHARED)
    x, direction = numbers(4, 3), np.random.default_rng(1).normal(size=(4, 3))
    product = net.vjp("y", ["x"])(x=x, direction=direction)
    step = 1e-6
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += step
        slope = (
            np.sum(net.run({"x": moved})["y"] * direction) - np.sum(net.run({"x": x})["y"] * direction)
        ) / step
        assert product[index] == pytest.approx(slope, abs=1e-4)


REFUSED = """
model Refused(x: f64[B, 3], ids: i32[B]) -> (loss: f64[], rounded: f64[], apart: f64[], wide: f64[B, 3]) {
  param unused: [2] = zeros
  picked = mean(cast(argmax(x), f64))
  return mean(x * x), mean(round(x)), picked, x * 2.0
}
"""


@pytest.mark.parametrize(
    ("loss", "wrt", "code", "words"),
    [
        ("wide", "x", "E1130", "f64[B, 3]"),
        ("loss", "ids", "E1131", "i32[B]"),
        ("rounded", "x", "E1132", "`round` has no gradient: it is a step function"),
        ("apart", "x", "E1134", "argmax"),
        ("loss", "unused", "E0860", "unused"),
        ("nothing", "x", "E0860", "nothing"),
    ],
)
def test_refusals(loss: str, wrt: str, code: str, words: str) -> None:
    source = REFUSED.replace("  param unused: [2] = zeros\n", "")
    with pytest.raises(NetError) as caught:
        loaded(source).grad(loss, [wrt])
    assert caught.value.code == code, str(caught.value)
    assert words in str(caught.value)


def test_stop_gradient_lets_a_step_function_through() -> None:
    source = """
model Straight(x: f64[B]) -> loss: f64[] {
  y = x + stop_gradient(round(x) - x)
  return sum(y * y)
}
"""
    x = numbers(5)
    np.testing.assert_allclose(loaded(source).grad("loss", ["x"])(x=x), 2 * np.round(x))
