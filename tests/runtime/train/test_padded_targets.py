"""Targets that are numbers, of rows of different lengths: padding counts nowhere, or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.errors import DataInputError

LENGTHS = (4, 2, 3)
OTHER = "model V(x: f32[B, T, 3]) -> v: f32[B, T, 4] { return x -> fc: Linear(4) }\n"
NETWORK = f"""net 1.0
model S(x: f32[B, T, 3]) -> y: f32[B, T] {{ return x -> fc: Linear(1) -> squeeze(-1) }}
{OTHER}train {{
  SECTION
  optimizer = sgd(0.1)
  epochs = 1
}}
"""
NUMBER, VECTOR = "input target: f32[B, T]", "input target: f32[B, T, 4]"
KEEP = "input keep: bool[B, T]"
UNMASKED = {
    "mse": (NUMBER, "loss = mse(y, target)"),
    "l1": (NUMBER, "loss = l1(y, target)"),
    "huber": (NUMBER, "loss = huber(y, target)"),
    "binary": (NUMBER, "loss = binary_cross_entropy(y, target)"),
    "binary of integers": ("input target: i32[B, T]", "loss = binary_cross_entropy(y, target)"),
    "hinge": ("input target: i32[B, T]", "loss = hinge(y, target)"),
    "shares": (VECTOR, "loss = cross_entropy(v, target)"),
    "divergence": (VECTOR, "loss = kl_divergence(log_softmax(v), target)"),
    "cosine": (VECTOR, "loss = cosine(v, target)"),
    "own": (NUMBER, "loss = mean(square(y - target))"),
    "counted by a comparison of outputs": (NUMBER, "loss = mean(where(y > 0.0, target - y, 0.0))"),
    "of the model's input": ("", "loss = mse(y, sum(x, over=-1))"),
    "a metric only": (
        f"{NUMBER}\n  {KEEP}",
        "loss = sum(square(y - target), where=keep) / sum(cast(keep, f32))\n  metric m = mse(y, target)",
    ),
    "one of two terms": (
        f"{NUMBER}\n  {KEEP}",
        "loss = sum(where(keep, square(y - target), 0.0)) / sum(cast(keep, f32)) + l1(y, target)",
    ),
}


def rows(section: str, lengths: tuple[int, ...] = LENGTHS) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    made = []
    for n in lengths:
        row: dict[str, Any] = {"x": rng.normal(size=(n, 3)).astype(np.float32)}
        if VECTOR in section:
            row["target"] = rng.dirichlet(np.ones(4), n).astype(np.float32)
        elif "target: i32" in section:
            row["target"] = np.ones(n, np.int64)
        elif NUMBER in section:
            row["target"] = rng.integers(0, 2, n).astype(np.float32)
        made.append(row)
    return made


@pytest.mark.parametrize("name", UNMASKED)
def test_padding_that_would_count_is_refused(name: str) -> None:
    section = "\n  ".join(UNMASKED[name])
    text = NETWORK.replace("SECTION", section)
    named = "`x`" if name == "of the model's input" else "`target`"
    with pytest.raises(
        DataInputError, match=rf"E0843.*rows of 2 and of 4 values in {named}.*would count"
    ) as caught:
        nr.evaluate(text, rows(section))
    assert "input keep: bool[B, T]" in (caught.value.diagnostics[0].help or "")
    assert nr.evaluate(text, rows(section, (3, 3))).rows == 2


MEAN = "sum(where(keep, each, 0.0)) / sum(cast(keep, f32))"
MASKED = {
    "a mask": f"{NUMBER}\n  {KEEP}\n  each = square(y - target)\n  loss = {MEAN}",
    "a sum where": f"{NUMBER}\n  {KEEP}\n  loss = sum(square(y - target), where=keep) / sum(cast(keep, f32))",
    "a product": f"{NUMBER}\n  {KEEP}\n  k = cast(keep, f32)\n  loss = sum(k * square(y - target)) / sum(k)",
    "lengths": (
        f"{NUMBER}\n  input target_length: i32[B]\n"
        "  keep = unsqueeze(range(T), 0) < unsqueeze(target_length, 1)\n"
        f"  each = square(y - target)\n  loss = {MEAN}"
    ),
    "a metric": f"{NUMBER}\n  {KEEP}\n  each = square(y - target)\n  loss = {MEAN}\n  metric same = {MEAN}",
    "ids": (
        "input target: i32[B, T]\n  keep = target != -1\n  each = square(y - cast(target, f32))\n"
        f"  loss = {MEAN}"
    ),
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_masked_padding_counts_nowhere(name: str, batch_size: int) -> None:
    text, data = NETWORK.replace("SECTION", MASKED[name]).replace(OTHER, ""), rows(MASKED[name])
    start = {k: np.asarray(w, np.float64) for k, w in nr.load(text).weights.items()}
    missed = [row["x"] @ start["fc.weight"][:, 0] + start["fc.bias"][0] - row["target"] for row in data]
    wanted = np.square(np.concatenate(missed)).mean()
    measured = nr.evaluate(text, data, nr.load(text).weights, batch_size=batch_size).figures[""]
    assert measured["loss"] == pytest.approx(wanted, rel=1e-5)


def test_a_mask_that_only_the_model_uses_is_not_one_of_the_loss() -> None:
    text = """net 1.0
model S(x: f32[B, T, 3], keep: bool[B, T]) -> y: f32[B, T] {
  y = x -> fc: Linear(1) -> squeeze(-1)
  return where(keep, y, 0.0)
}
train {
  input target: f32[B, T]
  loss = mse(y, target)
}
"""
    with pytest.raises(DataInputError, match="E0843"):
        nr.evaluate(text, rows(NUMBER))
