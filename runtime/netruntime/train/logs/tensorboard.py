"""Event files for TensorBoard, written by the package `tensorboardX`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netruntime.errors import need_extra
from netruntime.train.checkpoint.writing import writing
from netruntime.train.events import EpochEvent, StepEvent


class TensorBoardLog:
    """Scalars by update and by epoch: `train/loss`, `valid/accuracy`, with a phase's name before them.

    Args:
        folder: The folder for `tensorboard --logdir`.
        step: The step at which a resumed run continues: TensorBoard hides later entries of the earlier part.

    Raises:
        MissingExtraError: E0901 without the extra `tensorboard`.
        TrainingError: E1052 if the folder cannot be written.
    """

    def __init__(self, folder: Path, *, step: int = 0) -> None:
        package = need_extra("tensorboardX", "tensorboard", "writing files for TensorBoard")
        with writing(folder, 0):
            # the rest of the file name is the time in seconds, in which a resumed run may also begin
            suffix = f".{step:08d}"
            self._writer = package.SummaryWriter(str(folder), purge_step=step + 1, filename_suffix=suffix)

    def on_step(self, event: StepEvent) -> None:
        figures = {"loss": event.loss, **event.metrics, "lr": event.lr, "grad_norm": event.grad_norm}
        self._add(_tag(event.phase, "train"), figures, event.step)

    def on_epoch(self, event: EpochEvent) -> None:
        for phase, figures in event.train.items():
            self._add(_tag(phase, "epoch"), figures, event.step)
        for phase, figures in event.valid.items():
            self._add(_tag(phase, "valid"), figures, event.step)
        self._writer.flush()

    def close(self) -> None:
        """Write pending entries and close the file."""
        self._writer.close()

    def _add(self, head: str, figures: Mapping[str, Any], step: int) -> None:
        for name, value in figures.items():
            if np.ndim(value) == 0:  # tables are not scalars
                self._writer.add_scalar(f"{head}/{name}", float(value), step)


def _tag(phase: str, part: str) -> str:
    return f"{phase}/{part}" if phase else part
