"""Functions of numbers and of tensors alike (`exp`, `sqrt`, ...): their arguments are evaluated once."""

from __future__ import annotations

from netdsl.checker import check
from netdsl.graph import build
from netdsl.modules import load_module
from netdsl.source import Source


def operators(body: str) -> list[tuple[str, str]]:
    """The label and the operator of every node of a model of one line."""
    text = f"net 1.0\nmodel M(x: f32[B, 4]) {{ return {body} }}\n"
    graph = build(check(load_module(Source("once.net", text))).models["M"])
    return [(data.label, data.op.name) for _, data in graph.operators()][1:-1]


def test_nested_functions_add_one_operator_each() -> None:
    assert operators("exp(sqrt(exp(abs(x))))") == [
        ("abs", "abs"),
        ("exp", "exp"),
        ("sqrt", "sqrt"),
        ("exp_2", "exp"),
    ]


def test_layers_in_an_argument_are_made_once() -> None:
    assert operators("exp((x -> Linear(3)))") == [
        ("linear.weight", "param"),
        ("linear.bias", "param"),
        ("linear.linear", "linear"),
        ("exp", "exp"),
    ]


def test_attributes_after_the_tensor() -> None:
    assert [op for _, op in operators("sum(exp(x), over=-1)")] == ["exp", "sum"]


def test_numbers_stay_numbers() -> None:
    assert [op for _, op in operators("x * sqrt(exp(2.0) + max(1, 3))")] == ["constant", "multiply"]
