"""All independent errors of a file in one run, across phases, and no error that follows from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.diagnostics import Diagnostic, NetError
from netdsl.edits import apply_edits
from netdsl.modules import load_module
from netdsl.source import Source


def findings(text: str, root: Path | None = None) -> list[Diagnostic]:
    """The errors of a text, under `net 1.0`."""
    try:
        check(load_module(Source("m.net", f"net 1.0\n{text}"), root))
    except NetError as wrong:
        return list(wrong.diagnostics)
    return []


def places(text: str, root: Path | None = None) -> list[tuple[str, str]]:
    """The code of each error, and the text that it marks."""
    return [(d.code, d.span.text if d.span else "") for d in findings(text, root)]


MODEL = """
model Net(x: f32[B, 784]) -> logits: f32[B, 10] {
  h = x -> fc1: %s
  return h -> fc2: %s
}

train {
  input label: i32[B]
  loss = %s
  optimizer = %s
}
"""


def test_a_model_hides_nothing_in_train() -> None:
    text = MODEL % ("Linaer(128)", "Linear(10)", "cross_entropy(logits, lable)", "adamm(lr=0.1)")
    assert places(text) == [("E0201", "Linaer"), ("E0201", "lable"), ("E0219", "adamm")]


def test_what_depends_on_a_broken_model_keeps_its_declared_type() -> None:
    text = MODEL % ("Linaer(128)", "Linear(10)", "mse(logits, cast(label, f32))", "sgd(lr=0.1)")
    assert [code for code, _ in places(text)] == ["E0201", "E0302"]


def test_a_right_train_section_says_nothing_beside_a_wrong_model() -> None:
    text = MODEL % ("Linaer(128)", "Linear(10)", "cross_entropy(logits, label)", "sgd(lr=0.1)")
    assert places(text) == [("E0201", "Linaer")]


@pytest.mark.parametrize("result", ["y: f32[B, n]", "y: [B, 10]", "[B, 10]", "(a: [B, 10], b: [B, 10])"])
def test_outputs_of_unknown_type_are_silent(result: str) -> None:
    text = f"model M(x: f32[B, 4]) -> {result} {{\n  return x -> Linaer(10)\n}}\n"
    names = "a" if "(a" in result else "output" if result.startswith("[") else "y"
    text += f"train {{\n  loss = mean({names} * {names})\n  optimizer = sgd(lr=0.1)\n}}"
    assert ("E0201", "Linaer") in places(text)
    assert all(code in ("E0201", "E0206") and name in ("Linaer", "n") for code, name in places(text))


def test_lexical_errors_hide_nothing() -> None:
    text = MODEL % (
        "Linaer(128);",
        "Linear(10); // ten classes",
        "cross_entropy(logits, lable)",
        "sgd(lr='0.1')",
    )
    assert places(text) == [
        ("E0201", "Linaer"),
        ("E0101", ";"),
        ("E0101", ";"),
        ("E0107", "//"),
        ("E0201", "lable"),
        ("E0101", "'0.1'"),
        ("E0403", "'0.1'"),
    ]


def test_a_syntax_error_in_a_statement_hides_nothing_in_the_others() -> None:
    text = """
model M(x: f32[B, 4]) -> y: f32[B, 4] {
  a = x -> -> relu
  b = a -> Linaer(3)
  c = x -> rellu
  let n = 3 4
  d = x -> Linear(n, bais=false)
  return c
}
"""
    assert places(text) == [
        ("E0107", "->"),
        ("E0201", "Linaer"),
        ("E0201", "rellu"),
        ("E0107", "4"),
        ("E0406", "bais"),
    ]


def test_brackets_end_with_the_layout() -> None:
    text = """
model M(x: f32[B, 4]) -> y: f32[B, 4] {
  a = x -> Linear(4
  b = x -> rellu
  c = x -> Linear(4])
  d = x -> for i in 0..3 { relu
  return x -> tanhh
}

block Half(x: [B, D]) -> [B, D] {
  return x -> sigmoidd
}
"""
    assert places(text) == [
        ("E0104", "("),
        ("E0201", "rellu"),
        ("E0103", "]"),
        ("E0104", "{"),
        ("E0201", "tanhh"),
        ("E0201", "sigmoidd"),
    ]


def test_a_broken_header_hides_nothing_in_its_body_or_elsewhere() -> None:
    text = """
model M(x: f32[B 4]) -> y: f32[B, 4] {
  a = x -> -> relu
  return a
}

model N(x: f32[B, 4]) -> z: f32[B, 4] {
  return x -> rellu
}

train {
  input t: f32[B, 4]
  loss = mse(y, t, reductoin="sum")
  optimizer = sgd(lr=0.1)
}
"""
    assert ("E0107", "4") in places(text) and ("E0107", "->") in places(text)
    assert ("E0201", "rellu") in places(text) and ("E0406", "reductoin") in places(text)
    assert len(places(text)) == 4


def test_a_broken_block_is_no_unknown_name() -> None:
    text = """
block Half(x: [B, D) -> [B, D] {
  return x
}

model M(x: f32[B, 4]) -> y: f32[B, 4] {
  return x -> Half -> rellu
}
"""
    assert [code for code, _ in places(text)] == ["E0104", "E0201"]


def test_config_lines_are_read_one_by_one() -> None:
    text = """
config {
  a: int = 3 +
  b: int = "four"
  c: int = 2;
}

model M(x: f32[B, a]) -> y: f32[B, c] {
  return x -> Linear(a) -> Linear(c) -> rellu
}
"""
    assert [code for code, _ in places(text)] == ["E0107", "E0403", "E0101", "E0201"]


def test_train_lines_are_read_one_by_one() -> None:
    text = MODEL % ("Linear(128)", "Linear(10)", "cross_entropy(logits, label", "adamm(lr=0.1)")
    assert [code for code, _ in places(text)] == ["E0104", "E0219"]


def test_a_loss_that_cannot_be_read_beside_another_section() -> None:
    model = "model M(x: f32[B, 4]) -> y: f32[B, 4] { return x -> fc: Linear(4) }\n"
    text = model + "train a { loss = mse(y, x) }\ntrain b { loss mse(y, x) }\n"
    assert places(text) == [("E0107", "mse")]


def test_a_missing_import_hides_nothing_that_does_not_use_it(tmp_path: Path) -> None:
    text = 'import "parts.net"\nimport "other.net" as other\n'
    text += MODEL % ("Attention(8)", "other.Head(10)", "cross_entropy(logits, lable)", "sgd(lr=0.1)")
    text += "block B(x: [B, D]) -> [B, D] {\n  return x -> rellu -> MyOther\n}\n"
    assert places(text, tmp_path) == [
        ("E0611", '"parts.net"'),
        ("E0611", '"other.net"'),
        ("E0201", "lable"),
        ("E0201", "rellu"),
    ]


def test_errors_of_an_import_are_reported_with_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "parts.net").write_text(
        "net 1.0\nblock Half(x: [B, D]) -> [B, D] {\n  return x -> -> relu\n}\n"
    )
    text = 'import "parts.net"\nmodel M(x: f32[B, 4]) -> y: f32[B, 4] {\n  return x -> Half -> rellu\n}\n'
    assert places(text, tmp_path) == [("E0201", "rellu"), ("E0107", "->")]


def test_a_number_that_is_too_large_poisons_its_value_alone() -> None:
    text = """
model M(x: f32[B, 4]) -> y: f32[B, 4] {
  let n = 99999999999999999999
  a = x -> Linear(n) -> relu
  return x -> rellu
}
"""
    assert [code for code, _ in places(text)] == ["E0603", "E0201"]


def test_the_rest_is_counted() -> None:
    lines = "\n".join(f"  a{n} = x -> foo{n}zzz" for n in range(70))
    found = findings(f"model M(x: f32[B, 4]) -> y: f32[B, 4] {{\n{lines}\n  return x\n}}")
    assert len(found) == 51
    assert found[-1].message == "20 more errors are not listed"


def test_the_same_error_is_said_once() -> None:
    text = """
block Attention(heads: int)(x: [B, T, D]) -> [B, T, D] {
  let dh = D // heads
  q = x -> wq: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  k = x -> wk: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  v = x -> wv: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  return attention(q, k, v) -> [B, heads, T, dh] => [B, T, heads*dh] -> wo: Linear(D)
}

model Net(x: f32[B, T, 300]) -> h: f32[B, T, 300] {
  return x -> Attention(8)
}
"""
    (one,) = findings(text)
    assert [label.span.line for label in one.labels if label.text == "and here"] == [6, 7]


def test_reading_is_deterministic_and_ends_for_any_prefix() -> None:
    text = MODEL % ("Linear(128)", "Linear(10)", "cross_entropy(logits, label)", "sgd(lr=0.1)")
    for end in range(0, len(text), 7):
        assert [d.as_dict() for d in findings(text[:end])] == [d.as_dict() for d in findings(text[:end])]


def test_train_suggests_outputs_of_models_before_operators() -> None:
    text = MODEL % ("Linear(128)", "Linear(10)", "cross_entropy(logts, label)", "sgd(lr=0.1)")
    (one,) = findings(text)
    assert one.help == "did you mean `logits`?"


def test_all_arguments_of_a_recipe_are_reported() -> None:
    text = MODEL % (
        "Linear(128)",
        "Linear(10)",
        "cross_entropy(logits, label)",
        "sgd(lrr=0.1, momentumm=0.9)",
    )
    assert places(text) == [("E0406", "lrr"), ("E0406", "momentumm")]


def test_code_after_return_is_read() -> None:
    text = """
model M(x: f32[B, 4]) -> y: f32[B, 4] {
  return x
  a = x -> rellu
  b = a -> Linear(4, bais=false)
}
"""
    assert [code for code, _ in places(text)] == ["E0213", "E0201", "E0406"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Linear(4 5)", "Linear(4, 5)"),
        ("Linear(4, bias: false)", "Linear(4, bias= false)"),
        ("Linear(4) => relu", "Linear(4) -> relu"),
        ("Linear(4);", "Linear(4)"),
        ("Linear(4) // of the head", "Linear(4) # of the head"),
        ("Linear(4) → relu", "Linear(4) -> relu"),
    ],
)
def test_syntax_has_certain_edits(wrong: str, right: str) -> None:
    text = f"model M(x: f32[B, 4]) -> y: f32[B, 4] {{\n  return x -> {wrong}\n}}\n"
    (one,) = (d for d in findings(text) if d.code.startswith("E01"))
    assert one.span is not None and all(edit.is_certain for edit in one.fixes)
    assert f"return x -> {right}\n" in apply_edits(one.span.source, one.fixes)
