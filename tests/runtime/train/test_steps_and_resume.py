"""A run that ends at `steps`, within an epoch, and is resumed is a run that never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr

SMALL = """net 1.0
model Small(x: f32[B, 6]) -> logits: f32[B, 3] {
  return x -> fc1: Linear(8) -> bn: BatchNorm -> relu -> Dropout(0.2) -> fc2: Linear(3)
}
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
  optimizer = adamw(lr=0.02)
  SCHEDULE
  epochs = 3
  batch_size = 7
}
"""
PAIR = """net 1.0
model Generator(z: f32[B, 4]) -> image: f32[B, 6] { return z -> out: Linear(6) }
model Discriminator(image: f32[B, 6]) -> logit: f32[B] { return image -> fc: Linear(1) -> squeeze(1) }
train critic {
  input x: f32[B, 6]
  fake = stop_gradient(Generator(normal([B, 4])))
  found = binary_cross_entropy(Discriminator(x), ones([B]))
  loss = found + binary_cross_entropy(Discriminator(fake), zeros([B]))
  optimizer = adam(lr=0.01)
  over "Discriminator.*"
  epochs = 3
  batch_size = 7
}
train maker {
  input x: f32[B, 6]
  fake = Generator(normal([B, 4]))
  loss = binary_cross_entropy(Discriminator(fake), ones([B])) + 0.0 * mean(x)
  optimizer = adam(lr=0.01)
  over "Generator.*"
  every = 2
}
"""
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "constant": (SMALL.replace("SCHEDULE", ""), {}),
    "cosine": (SMALL.replace("SCHEDULE", "schedule = cosine(warmup=3)"), {}),
    "one cycle": (SMALL.replace("SCHEDULE", "schedule = one_cycle()"), {}),
    "plateau": (SMALL.replace("SCHEDULE", "schedule = plateau(patience=0)"), {"holdout": 0.2}),
    "accumulated": (SMALL.replace("SCHEDULE", "schedule = linear()"), {"accumulate": 3}),
    "averaged": (SMALL.replace("SCHEDULE", ""), {"ema": 0.9}),
    "file with steps": (
        SMALL.replace("SCHEDULE", "schedule = cosine()\n  steps = 20"),
        {},
    ),
    "two sections": (PAIR, {}),
}


def rows() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6)).astype(np.float32)
    return {"x": x, "label": x[:, :3].argmax(1)}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("stops", [(2,), (4, 5), (9,), (1, 2, 3, 4, 5, 6, 7)])
def test_the_same_weights(name: str, stops: tuple[int, ...], tmp_path: Path) -> None:
    text, settings = RUNS[name]
    data = {key: value for key, value in rows().items() if text is not PAIR or key == "x"}
    whole = nr.fit(text, data, out=tmp_path / "whole", seed=4, **settings)
    for n, stop in enumerate(stops):
        part = nr.fit(text, data, out=tmp_path / "parts", seed=4, steps=stop, resume=n > 0, **settings)
        assert part.step == stop
    parts = nr.fit(text, data, out=tmp_path / "parts", seed=4, resume=True, **settings)
    assert parts.step == whole.step
    for label, weight in whole.weights.items():
        np.testing.assert_array_equal(parts.weights[label], weight)
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")
    assert best_of(tmp_path / "whole") == best_of(tmp_path / "parts")


def best_of(run: Path) -> bytes:
    return (run / "best.safetensors").read_bytes()


RISING = """net 1.0
model Far(x: f32[B, 6]) -> y: f32[B, 1] { return x -> fc: Linear(1) }
train {
  input target: f32[B, 1]
  loss = mse(y, target)
  optimizer = sgd(lr=0.4)
  epochs = 3
  batch_size = 7
}
"""


@pytest.mark.parametrize("ema", [None, 0.5])
@pytest.mark.parametrize("stops", [(2,), (8,), (11,), (1, 8, 10, 20)])
def test_the_best_weights_are_those_of_a_completed_epoch(
    stops: tuple[int, ...], ema: float | None, tmp_path: Path
) -> None:
    """The loss rises, so that the weights within an epoch are better than those at its end."""
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=(50, 6)).astype(np.float32), "target": rng.normal(size=(50, 1))}
    settings = {"holdout": 0.2, "seed": 4, "ema": ema}
    nr.fit(RISING, data, out=tmp_path / "whole", **settings)
    for n, stop in enumerate(stops):
        last = nr.fit(RISING, data, out=tmp_path / "parts", steps=stop, resume=n > 0, **settings).history[-1]
        assert last.best == (stop < 6), "a part of an epoch is the best only before the first one ends"
        assert (tmp_path / "parts" / "best.safetensors").is_file()
    nr.fit(RISING, data, out=tmp_path / "parts", resume=True, **settings)
    assert best_of(tmp_path / "whole") == best_of(tmp_path / "parts")


def test_weights_of_a_part_of_an_epoch_do_not_outlive_it(tmp_path: Path) -> None:
    """A run that is killed in its first epoch has no best weights, also if it was stopped and resumed."""

    class Kill:
        def on_step(self, event: object) -> None:
            raise KeyboardInterrupt

        def on_epoch(self, event: object) -> None:
            """No epoch ends."""

    data = {"x": np.ones((50, 6), np.float32), "target": np.ones((50, 1))}
    nr.fit(RISING, data, out=tmp_path, steps=3)
    assert (tmp_path / "best.safetensors").is_file()
    with pytest.raises(KeyboardInterrupt):
        nr.fit(RISING, data, out=tmp_path, resume=True, watchers=[Kill()])
    assert not (tmp_path / "best.safetensors").exists()


def log_of(run: Path) -> list[str]:
    """The lines of a log without the times in them."""
    return [line.split(', "seconds"')[0] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_an_unfinished_epoch_has_figures() -> None:
    text, _ = RUNS["constant"]
    result = nr.fit(text, rows(), steps=4)
    (event,) = result.history
    assert event.step == 4
    assert event.train[""]["loss"] > 0
    assert event.best
