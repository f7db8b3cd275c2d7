"""Fingerprints of runs: checksums of the file and the data, and the settings that order the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.model import Phase
from netdsl.recipes import RunSettings
from netruntime.data import Dataset, StreamDataset
from netruntime.errors import TrainingError
from netruntime.train.metrics import monitored
from netruntime.train.rows import only_classes

SAMPLED = 256
"""The number of rows in a fingerprint."""
KEPT = ("batch_size", "accumulate", "seed", "drop_last")
"""Settings that a resumed run must share with the original, or the order of its data would differ."""
WORDS = {
    "file": "the `.net` file",
    "rows": "the number of training rows",
    "data": "the content of the training data",
    "valid": "the number of validation rows",
    "monitor": "the figure that selects the best epoch",
    "vocabulary": "the list of characters",
    "classes": "the list of classes",
}
"""The names of the facts of a run in messages, if not their own."""


def run_facts(
    text: str,
    phases: Sequence[Phase],
    settings: RunSettings,
    train: Dataset | StreamDataset,
    valid: Dataset | None,
) -> dict[str, Any]:
    """The facts that a resumed run must have in common with the original; JSON values by name.

    `text` is the content of the `.net` file.
    """
    return {
        "file": _checksum(text.encode()),
        "rows": row_count(train),
        "data": data_fingerprint(train),
        "valid": 0 if valid is None else len(valid),
        "monitor": monitored(phases[0])[0],
        "vocabulary": names_fingerprint(train.vocabulary),
        "classes": names_fingerprint(only_classes(train)),
        **{name: getattr(settings, name) for name in KEPT},
    }


def check_facts(saved: Mapping[str, Any], own: Mapping[str, Any], start: str = "") -> None:
    """Raise `TrainingError` E1077 for a fact of this run that differs from the saved one.

    `start` says how the run was started, for the message.
    """
    for name, value in own.items():
        if name in saved and saved[name] != value:
            what = WORDS.get(name, f"`{name}`")
            message = f"{what} has changed since the run was saved: from {saved[name]} to {value}"
            help = f"resume with the original file, data and settings{start}, or choose another folder"
            raise TrainingError.make("E1077", message, help=help)


def row_count(data: Dataset | StreamDataset) -> int:
    """The number of rows; of a stream, those that are used at most."""
    return len(data) if isinstance(data, Dataset) else data.expected or 0


def data_fingerprint(data: Dataset | StreamDataset) -> str:
    """A checksum of the number of rows and of at most 256 of them, evenly spaced, as the model sees them.

    A stream has none.
    """
    if not isinstance(data, Dataset):
        return "stream"
    digest = hashlib.sha256(str(len(data)).encode())
    places = np.unique(np.linspace(0, len(data) - 1, SAMPLED).round().astype(np.int64))
    for name, array in sorted(data.rows(places).items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def names_fingerprint(names: Sequence[str] | None) -> str:
    """A checksum of the names of characters or classes; empty if there are none."""
    return "" if names is None else _checksum(json.dumps(list(names)).encode())


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
