"""The gradients at singular points in docs/training.md, and layers whose masks hide complete rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import netruntime as nr

PAGE = (Path(__file__).parents[3] / "docs" / "training.md").read_text("utf-8")
TABLE = PAGE.partition("## Gradients at singular points\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `(.+)` \| `\[(.+)\]` \| `\[(.+)\]` \| .+ \|$", TABLE, re.MULTILINE)


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(", ")]


def test_the_table_is_complete() -> None:
    lines = [line for line in TABLE.splitlines() if line.startswith("| `")]
    assert len(ROWS) == len(lines) >= 25


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(("expression", "at", "gradient"), ROWS)
def test_the_table_is_true(expression: str, at: str, gradient: str, dtype: str) -> None:
    literal = "" if dtype == "f32" else "64"
    text = f"net 1.0\nmodel M(x: {dtype}[N]) -> loss: {dtype} {{ return sum({expression}) }}\n"
    x = np.array(numbers(at), f"float{literal or 32}")
    with np.errstate(all="ignore"):
        slopes = nr.load(text).grad("loss", ["x"])(x=x)
    np.testing.assert_allclose(slopes, numbers(gradient), rtol=1e-6)


LAYERS = {
    "attention": "x -> MultiHeadAttention(2)(keep=unsqueeze(unsqueeze(keep, 1), 1))",
    "encoder": "x -> EncoderLayer(2, 8)(keep=unsqueeze(unsqueeze(keep, 1), 1))",
    "mean": "mean((x -> Linear(4)), over=1, where=unsqueeze(keep, -1))",
    "ratio": (
        "sum(where(unsqueeze(keep, -1), x, 0.0), over=1)"
        " / maximum(sum(cast(keep, f32), over=1, keepdims=true), 1.0)"
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_rows_that_are_masked_completely_have_no_nan(name: str) -> None:
    text = (
        "net 1.0\nmodel M(x: f32[B, T, 4], keep: bool[B, T]) -> loss: f32 {\n"
        f"  y = ({LAYERS[name]})\n  return mean(square(y))\n}}\n"
    )
    net = nr.load(text)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5, 4)).astype(np.float32)
    keep = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], np.bool_)
    slopes = net.grad("loss", ["x", *net.weights])(x=x, keep=keep)
    named = slopes if isinstance(slopes, Mapping) else {"x": slopes}
    assert np.isfinite(net(x=x, keep=keep))
    assert len(named) == 1 + len(net.weights)
    for label, slope in named.items():
        assert np.isfinite(slope).all(), label
