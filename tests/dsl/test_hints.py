"""Hints: what works and may surprise. They are no errors, and good files have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.diagnostics import render
from netdsl.modules import load_module, read_source
from netdsl.source import Source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.net"))


def hints(body: str, before: str = "", inputs: str = "x: f32[B, 4]") -> list[str]:
    text = f"net 1.0\n{before}model M({inputs}) {{\n{body}\n}}\n"
    return [render(d) for d in check(load_module(Source("hint.net", text))).hints]


def test_automatic_names_of_layers_with_weights() -> None:
    assert hints("  return x -> Linear(4) -> relu -> Linear(2)") == [
        "hint[E0250]: 2 layers with weights have automatic names: `linear`, `linear_2`\n"
        "  --> hint.net:3:15\n"
        " 3 |   return x -> Linear(4) -> relu -> Linear(2)\n"
        "   |               ^^^^^^^^^ `linear`\n"
        "   = help: label them (`conv1: Conv(..)`), so that saved weights still fit after an edit"
    ]


def test_labels_and_names_silence_it() -> None:
    assert hints("  return x -> a: Linear(4) -> relu -> b: Linear(2)") == []


def test_a_value_that_nothing_uses() -> None:
    assert hints("  y = x -> tanh\n  return x -> relu") == [
        "hint[E0251]: the value `y` of `M` is never used\n"
        "  --> hint.net:3:3\n"
        " 3 |   y = x -> tanh\n"
        "   |   ^\n"
        "   = help: remove it, or start its name with `_`"
    ]


@pytest.mark.parametrize(
    ("body", "inputs", "what"),
    [
        ("  let n = 3\n  return x", "x: f32[B, 4]", "value `n`"),
        ("  layer fc = Linear(3)\n  return x", "x: f32[B, 4]", "layer `fc`"),
        ("  param W: [4] = zeros\n  return x", "x: f32[B, 4]", "param `W`"),
        ("  return x", "x: f32[B, 4], y: f32[B, 4]", "input `y`"),
        ("  a, b = split(x, 2, axis=1)\n  return a", "x: f32[B, 4]", "value `b`"),
    ],
)
def test_what_nothing_uses(body: str, inputs: str, what: str) -> None:
    (found,) = hints(body, inputs=inputs)
    assert found.startswith(f"hint[E0251]: the {what} of `M` is never used")


@pytest.mark.parametrize(
    "body",
    [
        "  _y = x -> tanh\n  return x",
        "  a, _ = split(x, 2, axis=1)\n  return a",
        "  let n = 2\n  return x -> [B, n*m] => [B, n, m]",
        "  let n = 2\n  return x -> for i in 0..n { relu }",
    ],
)
def test_what_counts_as_used(body: str) -> None:
    assert hints(body) == []


def test_a_state_is_used_by_its_next_value() -> None:
    cell = (
        "cell C(n)(x: [B, I]) {\n  state h: [B, n] = zeros\n  next h = x -> fc: Linear(n)\n  return h'\n}\n"
    )
    assert hints("  return x -> scan C(3)", cell, "x: f32[B, T, 4]") == []


def test_the_chain_of_a_short_block_takes_its_first_input() -> None:
    short = "block F(x: [B, N], y: [B, N]) = tanh\n"
    (found,) = hints("  return x -> F(y=x)", short)
    assert found.startswith("hint[E0251]: the input `y` of `F` is never used")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_no_unused_names(path: Path) -> None:
    found = check(load_module(read_source(path, path.name), path.parent)).hints
    assert [render(d) for d in found if d.code == "E0251"] == []


def test_a_renamed_argument_still_works() -> None:
    old = "  return nll(label=label, chance=x)"
    assert hints(old, inputs="x: f32[B, 4], label: i32[B]") == [
        "hint[E0252]: `chance` of `nll` is deprecated: it is now called `log_probs`\n"
        "  --> hint.net:3:27\n"
        " 3 |   return nll(label=label, chance=x)\n"
        "   |                           ^^^^^^\n"
        "   = help: write `log_probs=`"
    ]
    assert hints(old.replace("chance", "log_probs"), inputs="x: f32[B, 4], label: i32[B]") == []


@pytest.mark.parametrize(
    "call",
    [
        "nll(ignore=0)(chance=x, label=label)",
        "kl_divergence(target=exp(x), chance=x)",
        "mean(ctc_loss(chance=unsqueeze(x, 1), label=unsqueeze(label, 1)))",
        "exp(x) -> kl_divergence(chance=x)",
    ],
)
def test_every_form_of_a_call_takes_the_old_name(call: str) -> None:
    found = hints(f"  return {call}", inputs="x: f32[B, 4], label: i32[B]")
    assert sum(hint.startswith("hint[E0252]: `chance` of") for hint in found) == 1


def test_a_block_of_ones_own_keeps_its_argument() -> None:
    own = "block nll(chance: [B, C]) -> [B, C] { return chance }\n"
    assert hints("  return nll(chance=x)", own) == []
