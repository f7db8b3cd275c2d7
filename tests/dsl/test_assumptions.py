"""What a model assumes about free sizes (E0253)."""

from __future__ import annotations

import pytest

from netdsl.checker import check
from netdsl.model import Model
from netdsl.modules import load_module
from netdsl.source import Source


def model_of(inputs: str, body: str, extra: str = "") -> Model:
    text = f"net 1.0\n{extra}\nmodel M({inputs}) {{\n  return {body}\n}}\n"
    return check(load_module(Source("m.net", text))).models["M"]


@pytest.mark.parametrize(
    ("inputs", "body", "conditions"),
    [
        ("x: f32[B, T, 64]", "x -> reshape([-1, 10])", ["10 divides B*T*64"]),
        ("x: f32[B, T, 64]", "x -> reshape([-1, 32])", []),
        ("x: f32[B, T, 64]", "x -> reshape([B, T // 2, 128])", ["B*T*64 = B*T//2*128"]),
        ("x: f32[B, T, 64]", "x -> LearnedPositions(128)", ["T <= 128"]),
        ("x: f32[B, 100, 64]", "x -> LearnedPositions(128)", []),
        ("x: f32[B, 3, H, W]", "x -> c: Conv(8, 5)", ["H >= 5", "W >= 5"]),
        ("x: f32[B, 3, H, W]", "x -> c: Conv(8, 3, pad=1)", []),
        ("x: f32[B, 3, H, 32]", "x -> c: Conv(8, 5) -> d: Conv(8, 5, stride=2) -> MaxPool(2)", ["H >= 11"]),
        ("x: f32[B, 3, H, 32]", "x -> AvgPool(4)", ["H >= 4"]),
        ("x: f32[B, T, 8]", "x -> split(2, axis=1)", ["2 divides T"]),
        ("x: f32[B, T, 8]", "x[:, 3]", ["T >= 4"]),
        ("x: f32[B, T, 8]", "x[:, -2]", ["T >= 2"]),
        ("x: f32[B, T, 8]", "x[:, -1]", []),
        ("x: f32[B, T]", "x -> top_k(5)", ["T >= 5"]),
        ("x: f32[B, T]", 'x -> pad([3], [2], mode="reflect")', ["T >= 4"]),
        ("x: f32[B, T]", "x * sum(zeros([T - 3]))", ["T >= 3"]),
    ],
)
def test_conditions(inputs: str, body: str, conditions: list[str]) -> None:
    assert [str(a.condition) for a in model_of(inputs, body).assumptions] == conditions


def test_a_condition_is_at_the_line_that_needs_it_once() -> None:
    lines = ["a = x -> reshape([-1, 10])", "b = x -> reshape([-1, 10])", "return a + b"]
    block = "block Ten(x: [B, T, D]) {\n" + "\n".join(lines) + "\n}"
    (one,) = model_of("x: f32[B, T, 64]", "x -> Ten", block).assumptions
    assert one.span.line == 3


def test_a_cell_assumes_too() -> None:
    cell = """cell C(x: [B, D]) {
  state h: [B, D] = zeros
  y = x -> reshape([-1, 10])
  next h = h + mean(y)
  return h'
}"""
    model = model_of("x: f32[B, T, 64]", "x -> scan C", cell)
    assert [str(a.condition) for a in model.assumptions] == ["10 divides B*64"]


@pytest.mark.parametrize(
    ("body", "sizes", "holds"),
    [
        ("x -> reshape([-1, 10])", {"B": 5, "T": 2}, True),
        ("x -> reshape([-1, 10])", {"B": 1, "T": 2}, False),
        ("x -> LearnedPositions(8)", {"B": 1, "T": 8}, True),
        ("x -> LearnedPositions(8)", {"B": 1, "T": 9}, False),
        ("x -> split(2, axis=1)", {"B": 1, "T": 0}, True),
    ],
)
def test_conditions_hold_for_sizes(body: str, sizes: dict[str, int], holds: bool) -> None:
    (one,) = model_of("x: f32[B, T, 64]", body).assumptions
    assert one.condition.holds(sizes) is holds
