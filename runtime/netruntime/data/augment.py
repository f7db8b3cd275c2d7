"""Changed copies of pictures for training: a function of seed, epoch and row, so that runs can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netruntime.data.table import ColumnInfo
from netruntime.io.arrays import Array


@dataclass(frozen=True)
class Augment:
    """The steps that change a batch, in their order."""

    def __call__(
        self, rows: dict[str, Array], columns: Mapping[str, ColumnInfo], indices: Array, epoch: int, seed: int
    ) -> dict[str, Array]:
        """The batch after all steps."""
        return rows
