"""Assertions about free sizes, and what is reported after an assertion that fails."""

from __future__ import annotations

import pytest
from test_all_errors import findings

from netdsl.checker import check
from netdsl.model import Assumption
from netdsl.modules import load_module
from netdsl.source import Source


def assumptions(condition: str, body: str = "x", note: str = "") -> tuple[Assumption, ...]:
    text = f"net 1.0\nmodel M(x: f32[B, T, 64]) {{\n  assert {condition}{note}\n  return {body}\n}}\n"
    return check(load_module(Source("m.net", text))).models["M"].assumptions


def errors(text: str) -> list[tuple[str, int]]:
    """The code of each error, and its line in the text."""
    each = findings(text)
    first = each[0].span.source.text.index(text) if each and each[0].span else 0
    return [(d.code, d.span.line - d.span.source.text.count("\n", 0, first)) for d in each if d.span]


@pytest.mark.parametrize(
    ("condition", "stated"),
    [
        ("T <= 512", ["T <= 512"]),
        ("T < 512", ["T <= 511"]),
        ("512 >= T", ["T <= 512"]),
        ("T <= 1e3", ["T <= 1000"]),
        ("2 * T <= 9", ["T <= 4"]),
        ("T > 3", ["T >= 4"]),
        ("T >= 1", ["T >= 1"]),
        ("T >= B", ["T >= B"]),
        ("T == 7", ["T = 7"]),
        ("T != 7", ["T != 7"]),
        ("not T == 7", ["T != 7"]),
        ("not T <= 7", ["T >= 8"]),
        ("T % 8 == 0", ["8 divides T"]),
        ("0 == (T + 1) % 8", ["8 divides T + 1"]),
        ("T % 8 != 0", ["8 does not divide T"]),
        ("not T % 8 == 0", ["8 does not divide T"]),
        ("T <= 9 and B <= 9", ["T <= 9", "B <= 9"]),
        ("T <= 9 or B <= 9", ["T <= 9 or B <= 9"]),
        ("not (T <= 9 or B <= 9)", ["T >= 10", "B >= 10"]),
        ("64 == 64 and T <= 9", ["T <= 9"]),
        ("64 == 64 or T <= 9", []),
        ("64 == 63 or T <= 9", ["T <= 9"]),
        ("B * T >= 0", []),
    ],
)
def test_what_an_assertion_states_about_free_sizes(condition: str, stated: list[str]) -> None:
    each = assumptions(condition)
    assert [str(one.condition) for one in each] == stated
    assert all(one.is_stated and one.span.line == 3 for one in each)


@pytest.mark.parametrize(
    ("condition", "sizes", "holds"),
    [
        ("T <= 9 or B == 2", {"B": 2, "T": 10}, True),
        ("T <= 9 or B == 2", {"B": 3, "T": 10}, False),
        ("T != 7", {"B": 1, "T": 7}, False),
        ("T % 8 != 0", {"B": 1, "T": 9}, True),
        ("T % 8 != 0", {"B": 1, "T": 16}, False),
    ],
)
def test_a_stated_condition_holds_for_sizes(condition: str, sizes: dict[str, int], holds: bool) -> None:
    (one,) = assumptions(condition)
    assert one.condition.holds(sizes) is holds


@pytest.mark.parametrize(
    ("condition", "body", "left"),
    [
        ("T <= 100", "x -> LearnedPositions(128)", []),
        ("T <= 200", "x -> LearnedPositions(128)", ["T <= 128"]),
        ("T >= 5", "x[:, 3]", []),
        ("T >= 3", "x[:, 3]", ["T >= 4"]),
        ("T % 8 == 0", "x -> split(4, axis=1)", []),
        ("T % 8 == 0", "x -> reshape([-1, 24])", ["24 divides B*T*64"]),
        ("T % 3 == 0", "x -> reshape([-1, 24])", []),
        ("T == 7 or T == 8", "x -> LearnedPositions(128)", ["T <= 128"]),
        ("T <= 7 or T <= 8", "x -> LearnedPositions(128)", []),
    ],
)
def test_what_follows_from_an_assertion_is_not_assumed(condition: str, body: str, left: list[str]) -> None:
    assert [str(one.condition) for one in assumptions(condition, body) if not one.is_stated] == left


@pytest.mark.parametrize(
    "body", ["x -> reshape([-1, 10])", "x[:, 5]", "x -> split(2, axis=1)", "x[:, 3:9][:, 5]"]
)
def test_a_condition_is_written_as_an_assertion_that_states_it(body: str) -> None:
    for one in assumptions("64 == 64", body):
        assert all(stated.is_stated for stated in assumptions(one.condition.written, body))


def test_a_message_goes_along() -> None:
    (one,) = assumptions("T <= 9", note=', "nine at most"')
    assert one.message == "nine at most"


def test_a_condition_that_is_neither_is_an_error() -> None:
    assert errors("model M(x: f32[B, T]) {\n  assert T\n  return x\n}\n") == [("E0402", 2)]
    assert errors("model M(x: f32[B, T]) {\n  assert sqrt(T) < 4\n  return x\n}\n") == [("E0301", 2)]


HEADS = """block Heads(n: int)(x: [B, T, D]) {
  let d = D // n
  assert D % n == 0
  %s
  return x
}
model M(x: f32[B, T, 30]) { return x -> Heads(4) }
"""


@pytest.mark.parametrize(
    "line",
    [
        "y = x -> reshape([B, T, n, d])",
        "y = x -> reshape([B, T, n, D // n])",
        "y = x -> MultiHeadAttention(n)",
        "y = x -> split(n, axis=-1)",
        "let e = d * 2\n  y = x -> reshape([B, T, 2, e])",
        "assert D // n * n == D",
        "layer a = Linear(d)\n  y = a(x) + ones([8])",
    ],
)
def test_consequences_of_an_assertion_are_not_reported(line: str) -> None:
    assert errors(HEADS.replace("%s", line)) == [("E0409", 3)]


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("D == E", "z = x + y"),
        ("D == E", "z = concat(x, y, axis=0)"),
        ("D // 4 * 4 == D", "z = x -> reshape([B, 4, D // 4])"),
        ("D // 4 * 4 == D", "let h = D // 4\n  z = x -> reshape([B, 4, h])"),
    ],
)
def test_consequences_without_a_way_out_are_not_reported(condition: str, line: str) -> None:
    text = f"model M(x: f32[B, D], y: f32[B, E]) {{\n  assert {condition}\n  {line}\n  return x\n}}\n"
    text = f"config {{ D: int = 30\n E: int = 12 }}\n{text}"
    assert [code for code, _ in errors(text.replace(f"  assert {condition}\n", ""))] != []
    assert errors(text) == [("E0409", 4)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("y = x -> Linear(8, bais=false)", "E0406"),
        ("y = x -> relu -> transpose([0, 1, 2, 3])", "E0302"),
        ("y = x -> rellu", "E0201"),
        ("y = x + ones([7])", "E0302"),
        ("assert D == 31", "E0409"),
        ("y = x -> MultiHeadAttention(7)", "E0409"),
        ("y = x -> Linear(n) -> Linear(n, bias=3)", "E0403"),
    ],
)
def test_other_errors_after_an_assertion_are(line: str, code: str) -> None:
    assert errors(HEADS.replace("%s", line)) == [("E0409", 3), (code, 4)]


def test_an_assertion_about_a_tensor_silences_that_tensor() -> None:
    text = "block R()(x) {\n  assert rank(x) == 3\n  y = x[:, :, 0] -> rellu\n  return y\n}\n"
    assert errors(text + "model M(x: f32[B, 4]) { return x -> R }\n") == [("E0409", 2), ("E0201", 3)]


def test_a_call_elsewhere_is_reported_all_the_same() -> None:
    text = """model A(x: f32[B, T, 30]) {
  let n = 4
  assert 30 % n == 0
  return x -> MultiHeadAttention(n)
}
model C(x: f32[B, T, 30]) { return x -> MultiHeadAttention(4) }
"""
    assert errors(text) == [("E0409", 3), ("E0409", 6)]
