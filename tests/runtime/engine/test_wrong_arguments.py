"""Arguments of `predict`, `generate`, `fit` and a network that are of the wrong kind."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import netruntime as nr

MODEL = """net 1.0
model W(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(5, 4) -> out: Linear(5) }
"""
DATA = {"ids": np.zeros((2, 3), np.int32)}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("batch_size", 0, "`batch_size` must be an integer from 1 on, but is 0"),
        ("batch_size", 1.5, r"`batch_size` must be an integer from 1 on, but is 1.5 \(float\)"),
        ("config", "a", "`config` must be a mapping with strings as keys, but is 'a'"),
        ("options", {}, "`options` must be `DataOptions`, but is a dict"),
        ("augment", 3, "`augment` must be a string"),
        ("note", "a", "`note` must be a function"),
        ("data", io.BytesIO(b"x"), "is neither a path, nor arrays by name, nor rows"),
    ],
)
def test_predict(name: str, value: Any, words: str) -> None:
    with pytest.raises(nr.NetError, match=words):
        nr.predict(**{"source": MODEL, "data": DATA, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", None), ("repetition_penalty", None), ("stop", np.array(-1)), ("stop", io.BytesIO(b"x"))],
)
def test_generate(name: str, value: Any) -> None:
    with pytest.raises(nr.NetError, match=f"E0870.*`{name}` must be"):
        nr.generate(nr.load(MODEL), [1], max_new=1, **{name: value})


@pytest.mark.parametrize("sizes", [None, {"B": None}, {"B": -1}, {"B": 1.5}, {1: 2}])
def test_plan(sizes: Any) -> None:
    with pytest.raises(nr.NetError, match="E0870"):
        nr.load(MODEL).plan(sizes)


@pytest.mark.parametrize("out", ["a\0b", "\ud800"])
def test_folders_that_no_system_can_hold(out: str) -> None:
    with pytest.raises(nr.NetError, match=r"E0870.*`out` must be a path without null bytes"):
        nr.fit(MODEL, DATA, out=out)
