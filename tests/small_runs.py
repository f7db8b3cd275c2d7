"""A small model with dropout and batch normalisation, and made data that it can learn."""

from __future__ import annotations

from typing import Any

import numpy as np

SOURCE = """net 1.0

model Small(x: f32[B, 6]) -> logits: f32[B, 3] {
  return x -> fc1: Linear(16) -> bn: BatchNorm -> relu -> Dropout(0.2) -> fc2: Linear(3)
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
  optimizer = adam(lr=0.01)
  schedule = cosine(warmup=3)
  clip = norm(1.0)
  epochs = 4
  batch_size = 16
}
"""


def rows(count: int = 120, seed: int = 0) -> dict[str, Any]:
    """Points of three classes that a plane can part."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    label = (x @ rng.normal(size=(6, 3))).argmax(axis=1).astype(np.int32)
    return {"x": x, "label": label}
