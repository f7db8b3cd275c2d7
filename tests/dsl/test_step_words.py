"""Functions that people expect to leave one step of a sequence, and do not exist."""

from __future__ import annotations

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError, suggest
from netdsl.edits import apply_edits
from netdsl.modules import Module, load_module
from netdsl.source import Source

NET = "net 1.0\n\nmodel M(x: {type}) -> y: f32[B, 3] {{\n  y = {line} -> Linear(3)\n  return y\n}}\n"
SEQUENCE = "f32[B, T, 4]"


def module_of(text: str) -> Module:
    return load_module(Source("m.net", text))


@pytest.mark.parametrize(
    ("line", "type", "help"),
    [
        ("x -> last", SEQUENCE, "write `x[:, -1]`, the last step"),
        ("x -> relu -> last_token", SEQUENCE, "write `(x -> relu)[:, -1]`, the last step"),
        ("last(x)", SEQUENCE, "write `x[:, -1]`, the last step"),
        ("x -> first", SEQUENCE, "write `x[:, 0]`, the first step"),
        ("x -> cls()", SEQUENCE, "write `x[:, 0]`, the first step"),
        ("x -> relu -> mean_pool", SEQUENCE, "write `x -> relu -> mean(over=1)`"),
        ("x -> mean_pool", "f32[B, 4, 8, 8]", "write `x -> global_avg_pool`"),
        ("x -> max_over_time", SEQUENCE, "write `x -> max(over=1)`"),
    ],
)
def test_the_step_that_a_word_means_is_offered_and_works(line: str, type: str, help: str) -> None:
    module = module_of(NET.format(type=type, line=line))
    with pytest.raises(NetError) as caught:
        check(module)
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0201" and problem.help is not None and problem.help.startswith(help)
    check(module_of(apply_edits(module.source, problem.fixes)))


def test_a_value_without_steps_gets_the_meaning_of_both() -> None:
    with pytest.raises(NetError, match=r"`x\[:, -1\]` is the last step") as caught:
        check(module_of(NET.format(type="f32[B, 4]", line="x -> last")))
    assert "cast" not in str(caught.value)


def test_another_first_letter_is_not_a_slip_in_a_short_name() -> None:
    assert suggest("last", ["cast"]) is None
    assert suggest("rleu", ["relu"]) is not None and suggest("reku", ["relu"]) is not None
