"""Frozen batch norms, and batch norms that would get one value per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

SOURCE = """net 1.0
block feat(x: [B, D]) -> [B, 8] { return x -> fc: Linear(8) -> bn: BatchNorm -> relu }
model Net(x: f32[B, 4]) -> logits: f32[B, 3] {
  return x -> body: feat -> Dropout(0.5) -> last: feat -> head: Linear(3)
}
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr=0.05)
  epochs = 1
  LINE
}
"""


def rows(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(5, 3, (count, 4)), "label": rng.integers(0, 3, count)}


def changed(line: str) -> set[str]:
    text = SOURCE.replace("LINE", line)
    start = {name: np.array(array) for name, array in nr.load(text).weights.items()}
    after = nr.fit(text, rows(32), weights=start, batch_size=8).weights
    return {name for name in start if not np.array_equal(start[name], after[name])}


def under(*prefixes: str) -> set[str]:
    names = nr.load(SOURCE.replace("LINE", "")).weights
    return {name for name in names if name.startswith(prefixes)}


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("", ()),
        ('freeze "body.*"', ("body.",)),
        ('freeze "body*"', ("body.",)),
        ('freeze "*.bn.*"', ("body.bn.", "last.bn.")),
        ('freeze "*.running_mean"\n  freeze "*.running_var"', ("body.bn.running", "last.bn.running")),
        ('freeze "last.bn.running_var"', ("last.bn.running_var",)),
        ('over "head.*"', ("body.", "last.")),
        ('over "last.*"\n  over "head.*"', ("body.",)),
    ],
)
def test_frozen_statistics_stay(line: str, held: tuple[str, ...]) -> None:
    expected = under("body.", "last.", "head.") - (under(*held) if held else set())
    # before a batch norm, a bias has no gradient but rounding
    assert changed(line) - {"body.fc.bias", "last.fc.bias"} == expected - {"body.fc.bias", "last.fc.bias"}


def test_a_frozen_norm_uses_its_running_statistics() -> None:
    text = """net 1.0
model Net(x: f32[B, 4]) -> y: f32[B] { return x -> bn: BatchNorm -> out: Linear(1, bias=false) -> squeeze(1) }
train {
  loss = mean(y)
  optimizer = sgd(1.0)
  freeze "bn.*"
}
"""
    x = rows(6)["x"].astype(np.float32)
    start = {name: np.array(array) for name, array in nr.load(text).weights.items()}
    start["bn.running_mean"] += 2
    start["bn.running_var"] *= 9
    after = nr.fit(text, {"x": x}, weights=start, batch_size=6, epochs=1).weights
    gradient = ((x - 2) / np.sqrt(9 + 1e-5)).mean(0)
    np.testing.assert_allclose(start["out.weight"] - after["out.weight"], gradient[:, None], rtol=1e-5)


@pytest.mark.parametrize(
    ("count", "batch_size", "words"),
    [
        (33, 1, "batches of at least 2 rows, but every batch has 1"),
        (33, 8, "of 33 rows in batches of 8 the last has 1"),
        (1, 8, "but the data has 1"),
    ],
)
def test_one_value_per_channel_is_refused(count: int, batch_size: int, words: str) -> None:
    text = SOURCE.replace("LINE", "")
    with pytest.raises(nr.TrainingError, match=words) as failure:
        nr.fit(text, rows(count), batch_size=batch_size)
    assert failure.value.code == "E1078"


def test_the_batch_size_of_the_message_works() -> None:
    text = SOURCE.replace("LINE", "")
    for count in range(2, 20):
        for size in range(1, 12):
            try:
                nr.fit(text, rows(count), batch_size=size)
            except nr.TrainingError as failure:
                help = str(failure.diagnostics[0].help)
                nr.fit(text, rows(count), batch_size=int(help.split("set `batch_size` to ")[1].split(",")[0]))


def test_frozen_norms_take_single_rows() -> None:
    nr.fit(SOURCE.replace("LINE", 'freeze "*.bn.*"'), rows(33), batch_size=8)
