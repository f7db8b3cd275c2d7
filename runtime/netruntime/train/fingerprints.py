"""What distinguishes runs: checksums of the file and of the data, and the settings that order them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.model import Phase
from netdsl.recipes import RunSettings
from netruntime.data import Dataset
from netruntime.errors import TrainingError
from netruntime.train.metrics import monitored
from netruntime.train.rows import only_classes

SAMPLED = 256
"""Rows that a fingerprint looks at."""
KEPT = ("batch_size", "accumulate", "seed", "drop_last")
"""Settings that a resumed run must share with what it resumes, or its data would come in another order."""
WORDS = {
    "file": "the `.net` file",
    "rows": "the number of training rows",
    "data": "what the training data holds",
    "valid": "the number of validation rows",
    "monitor": "the figure that selects the best epoch",
    "vocabulary": "the list of characters",
    "classes": "the list of classes",
}
"""What messages call the facts of a run that have no name of their own."""


def run_facts(
    text: str,
    phases: Sequence[Phase],
    settings: RunSettings,
    train: Dataset,
    valid: Dataset | None,
) -> dict[str, Any]:
    """What a run that is resumed must have in common with the one that was stopped; JSON values by name.

    `text` is that of the `.net` file.
    """
    return {
        "file": _checksum(text.encode()),
        "rows": len(train),
        "data": data_fingerprint(train),
        "valid": 0 if valid is None else len(valid),
        "monitor": monitored(phases[0])[0],
        "vocabulary": names_fingerprint(train.vocabulary),
        "classes": names_fingerprint(only_classes(train)),
        **{name: getattr(settings, name) for name in KEPT},
    }


def check_facts(saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raise `TrainingError` E1077 for a fact of this run that is not that of the saved one."""
    for name, value in own.items():
        if name in saved and saved[name] != value:
            what = WORDS.get(name, f"`{name}`")
            message = f"{what} is not that of the run: {saved[name]} then, {value} now"
            help = "resume with what the run was started with, or start anew in another folder"
            raise TrainingError.make("E1077", message, help=help)


def data_fingerprint(data: Dataset) -> str:
    """A checksum of the number of rows and of at most 256 of them, evenly spaced, as the model gets them."""
    digest = hashlib.sha256(str(len(data)).encode())
    places = np.unique(np.linspace(0, len(data) - 1, SAMPLED).round().astype(np.int64))
    for name, array in sorted(data.rows(places).items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def names_fingerprint(names: Sequence[str] | None) -> str:
    """A checksum of the names of characters or classes; empty where there are none."""
    return "" if names is None else _checksum(json.dumps(list(names)).encode())


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
