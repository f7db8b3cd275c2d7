"""Runs on the digits of the examples: once for each network, seed and settings, then stored."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from recording import EXAMPLES, remembered

import netruntime as nr
from netruntime.data import DataOptions

DATA = EXAMPLES / "data" / "digits.npz"
AUGMENT = "shift=2"
HOLDOUT = 0.2
FIRST = 0
"""The seed whose split the images of digits, the shipped weights and the demo share."""
SHIPPED = "lenet5"
"""The network whose weights of the first seed are stored beside its file."""

Run = dict[str, Any]
"""A stored run: `trained_loss`, `held_loss` and `accuracy` (on the rows held out) of each epoch, the
`confusion` after the last where it is measured, the number of `weights`, `seconds` and `cpu_seconds`."""


def learn(record: str, name: str, seed: int, **settings: Any) -> Run:
    """A run of the example `name` by its own `train` section; it is stored in runs/RECORD.jsonl.

    `settings` are those of `netruntime.fit`. A changed file is trained again.
    """
    text = (EXAMPLES / f"{name}.net").read_bytes()
    key = {"file": f"{name}.net", "sha256": hashlib.sha256(text).hexdigest()[:16], "seed": seed, **settings}
    return remembered(record, key, lambda: train(name, seed, **settings))


def train(name: str, seed: int, **settings: Any) -> Run:
    """Train the example, and return its results."""
    trained = nr.fit(
        EXAMPLES / f"{name}.net",
        DATA,
        holdout=HOLDOUT,
        options=DataOptions(resize="stretch"),
        augment=AUGMENT,
        seed=seed,
        **settings,
    )
    if name == SHIPPED and seed == FIRST:
        nr.write_weights(EXAMPLES / f"{name}.safetensors", trained.weights)
    seen = [next(iter(event.train.values())) for event in trained.history]
    held = [next(iter(event.valid.values())) for event in trained.history]
    return {
        "weights": sum(array.size for array in trained.weights.values()),
        "trained_loss": [round(float(figures["loss"]), 5) for figures in seen],
        "held_loss": [round(float(figures["loss"]), 5) for figures in held],
        "accuracy": [round(float(figures["accuracy"]), 5) for figures in held],
        "confusion": np.asarray(held[-1].get("confusion", [])).astype(int).tolist(),
    }
