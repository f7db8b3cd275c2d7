"""The contents of a checkpoint, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from netdsl.immutable import immutable
from netruntime.files.arrays import Array

JSON: TypeAlias = Any
"""A JSON value: None, a boolean, a number, a string, or lists and mappings of them."""

WEIGHTS = "weights"
"""The section of the model's weights, under their label paths."""


@immutable
class Checkpoint:
    """Everything that training needs to continue as if it had never stopped.

    Attributes:
        step: Updates made.
        epoch: The epoch that training is in, from 0.
        batch: Completed batches of that epoch.
        arrays: Arrays by section and name: `weights`, `optimizer/<phase>`, `average` and so on. The name of
            a section contains no `:`.
        state: Small values by name: the schedule, early stopping, random state, the best metric,
            fingerprints. Floats that are not finite are preserved.
    """

    step: int
    epoch: int
    batch: int
    arrays: Mapping[str, Mapping[str, Array]]
    state: Mapping[str, JSON]
