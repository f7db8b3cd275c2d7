"""The log of a run: one JSON object per line, for each update and each epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netruntime.files.atomic import writable_target
from netruntime.files.json_objects import json_text
from netruntime.train.checkpoint.contract import JSON
from netruntime.train.checkpoint.writing import writing
from netruntime.train.events import EpochEvent, StepEvent

LogLine = Mapping[str, Any]
"""One line of the log, as read back."""


class MetricsLog:
    """Appends to a `.jsonl` file; each line is written immediately.

    `{"kind": "step", ..}` has the fields of `StepEvent`, `{"kind": "epoch", ..}` those of `EpochEvent`.
    Numbers that are not finite become null, and tables become lists of lists.

    Args:
        path: The file.
        step, epoch: The position at which the run resumes, as in its checkpoint. Lines of later steps, lines
            of epochs from `epoch` on, and truncated lines are removed, so that the log continues as if the
            run had never stopped. By default it starts empty.

    Raises:
        TrainingError: E1052 if the file cannot be written, also in the other methods.
    """

    def __init__(self, path: Path, *, step: int = 0, epoch: int = 0) -> None:
        self.path = path
        with writing(path, 0):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = writable_target(path).open("ab", buffering=0)
            self._stream.truncate(_valid_length(path.read_bytes(), step, epoch))

    def on_step(self, event: StepEvent) -> None:
        self._append(
            {
                "kind": "step",
                "step": event.step,
                "epoch": event.epoch,
                "phase": event.phase,
                "loss": event.loss,
                "metrics": event.metrics,
                "lr": event.lr,
                "grad_norm": event.grad_norm,
                "seconds": round(event.seconds, 4),
                "samples": event.samples,
            }
        )

    def on_epoch(self, event: EpochEvent) -> None:
        self._append(
            {
                "kind": "epoch",
                "epoch": event.epoch,
                "step": event.step,
                "train": event.train,
                "valid": event.valid,
                "monitor": event.monitor,
                "best": event.best,
                "seconds": round(event.seconds, 4),
            }
        )

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json_text(plain(line), allow_nan=False) + "\n"
        raw = text.encode()
        with writing(self.path, len(raw)):
            while raw:  # a disk that is nearly full accepts a part and rejects the rest
                raw = raw[self._stream.write(raw) :]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without truncated ones. Raises `OSError`."""
    lines = path.read_bytes().split(b"\n")
    return [line for line in map(_parsed, lines) if line is not None]


def losses_of(path: Path, phase: str) -> list[float]:
    """The losses of a phase at each update of a log. Raises `OSError`."""
    steps = (line for line in read_log(path) if line.get("kind") == "step" and line.get("phase") == phase)
    return [line["loss"] for line in steps if line.get("loss") is not None]


def plain(value: Any) -> JSON:
    """The value of a metric as JSON: arrays as lists, and null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _valid_length(raw: bytes, step: int, epoch: int) -> int:
    """The number of bytes before the first line that a run at this position has yet to write."""
    length = 0
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n") or _is_later(_parsed(line), step, epoch):
            break
        length += len(line)
    return length


def _is_later(line: dict[str, Any] | None, step: int, epoch: int) -> bool:
    """Whether a run at this position has yet to write the line; False for an unreadable one."""
    if line is None:
        return False
    if line.get("kind") == "epoch":
        return bool(line["epoch"] >= epoch)
    return bool(line.get("step", 0) > step)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
