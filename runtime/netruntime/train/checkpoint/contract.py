"""What a checkpoint holds, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from netruntime.files.arrays import Array

JSON: TypeAlias = Any
"""A value of JSON: None, a truth value, a number, a text, or lists and mappings of them."""

WEIGHTS = "weights"
"""The section whose arrays are the model's own, under its own names."""


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on as if it had never stopped.

    Attributes:
        step: Updates made.
        epoch: The epoch that training is in, from 0.
        batch: Batches of that epoch that are done.
        arrays: Arrays by section and name: `weights`, `optimizer/<phase>`, `average` and so on. A section's
            name has no `:`.
        state: Small things by name: the schedule, early stopping, random state, the best metric,
            fingerprints. Floats that are not finite come back as they were.
    """

    step: int
    epoch: int
    batch: int
    arrays: Mapping[str, Mapping[str, Array]]
    state: Mapping[str, JSON]
