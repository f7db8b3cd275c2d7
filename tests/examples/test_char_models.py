"""The language models of characters: what their shipped weights reach, and that they learn and write."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import netruntime as nr
from netruntime.data import DataOptions
from zoo.examples import EXAMPLES

TEXT = EXAMPLES / "data" / "text.txt"
WINDOWS = {"char_lstm": 64, "char_gpt": 128}
"""The models, and the windows that they were trained on."""
LEVEL = 5.0
"""The perplexity per character that examples/runs/char_models.md states."""


def vocabulary(model: str) -> list[str]:
    entries: list[str] = json.loads((EXAMPLES / f"{model}.vocab.json").read_text("utf-8"))
    return entries


def shipped(model: str) -> nr.Network:
    return nr.load(EXAMPLES / f"{model}.net", EXAMPLES / f"{model}.safetensors")


@pytest.mark.parametrize("model", WINDOWS)
def test_the_shipped_weights_reach_the_stated_level_on_the_end_of_the_text(model: str) -> None:
    window = WINDOWS[model]
    text = TEXT.read_text("utf-8")
    ids = np.array([vocabulary(model).index(letter) for letter in text[round(0.9 * len(text)) + window :]])
    rows = (len(ids) - 1) // window
    given, following = (ids[n : n + rows * window].reshape(rows, window) for n in (0, 1))
    logits = shipped(model)(ids=given.astype(np.int32)).astype(np.float64)
    top = logits.max(-1, keepdims=True)
    chances = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    picked = np.take_along_axis(chances, following[..., None], -1)
    assert 3 < math.exp(-picked.mean()) < LEVEL


@pytest.mark.parametrize("model", WINDOWS)
def test_the_vocabulary_is_that_of_the_text(model: str) -> None:
    assert vocabulary(model) == sorted(set(TEXT.read_text("utf-8")))


@pytest.mark.parametrize("model", WINDOWS)
def test_greedy_text_is_made_of_words(model: str) -> None:
    letters = vocabulary(model)
    found = nr.generate(
        shipped(model), [letters.index(letter) for letter in "Alice "], max_new=60, temperature=0
    )
    words = "".join(letters[n] for n in found.ids[0]).lower().split()
    known = set(TEXT.read_text("utf-8").lower().split())
    assert sum(word in known for word in words) > 0.7 * len(words)


@pytest.mark.parametrize("model", WINDOWS)
def test_perplexity_falls_within_sixty_updates(model: str, tmp_path: Path) -> None:
    """Single characters, counted, have a perplexity of 24 on the end of the text."""
    part = tmp_path / "part.txt"
    part.write_text(TEXT.read_text("utf-8")[:60_000], "utf-8")
    config = {"vocab": len(set(part.read_text("utf-8")))}
    options = DataOptions(window=32, stride=28)
    result = nr.fit(
        EXAMPLES / f"{model}.net",
        part,
        holdout=0.1,
        config=config,
        options=options,
        train={"schedule": "constant"},
        steps=60,
        epochs=1,
        batch_size=32,
        seed=0,
    )
    assert result.history[-1].valid[""]["perplexity"] < 19
