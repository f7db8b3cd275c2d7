"""Wrong configuration is told once: names that depend on it raise no errors of their own."""

from __future__ import annotations

from typing import Any

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module
from netdsl.source import Source

TEXT = """net 1.0

config {
  hidden: int = 8
  classes: int = 2 * hidden
}

model M(x: f32[B, 4]) -> f32[B, classes] { return x -> Linear(hidden) -> Linear(classes) }
"""


def errors(**config: Any) -> list[tuple[str, str]]:
    with pytest.raises(NetError) as caught:
        check(load_module(Source("config.net", TEXT)), config)
    return [(found.code, found.message) for found in caught.value.diagnostics]


def test_every_unknown_entry() -> None:
    assert errors(hiden=3, depth=4) == [
        ("E0414", "`config.net` has no config entry `hiden`"),
        ("E0414", "`config.net` has no config entry `depth`"),
    ]


def test_a_value_of_another_kind() -> None:
    assert errors(hidden="wide") == [("E0403", "`hidden` is set to 'wide', but its default is the integer 8")]


def test_heads_that_do_not_divide_the_features() -> None:
    text = "net 1.0\nmodel M(x: f32[B, T, 16]) { return x -> MultiHeadAttention(3) }\n"
    with pytest.raises(NetError) as caught:
        check(load_module(Source("heads.net", text)))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "E0409",
        "an assertion of `MultiHeadAttention` fails: the number of heads must divide the number of features",
    )
