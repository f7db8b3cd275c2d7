"""Checkpoints for the tests, and a process whose children save them until they are killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from netruntime.train.checkpoint import Checkpoint, CheckpointFolder

WEIGHT = "fc.weight"


def make_checkpoint(step: int = 3, size: int = 6) -> Checkpoint:
    """A small checkpoint whose every array tells its step."""
    weights = {WEIGHT: np.full((2, size // 2), step, np.float32), "fc.bias": np.arange(3.0)}
    generator = {"step": np.asarray(step, np.int64), f"{WEIGHT}/m": np.full((2, size // 2), step / 7)}
    arrays = {"weights": weights, "optimizer/G": generator, "optimizer/D": {}}
    state = {"best": float("-inf"), "loss": float("nan"), "seeds": [2**127 + step, None], "note": "ü"}
    return Checkpoint(step, epoch=1, batch=step % 5, arrays=arrays, state=state)


def save_without_end(path: Path) -> None:
    """Save checkpoint after checkpoint; print each step when it is saved."""
    with CheckpointFolder(path) as folder:
        newest = folder.newest()
        step = newest.step if newest else 0
        while True:
            step += 1
            folder.save(make_checkpoint(step, 20_000))
            os.write(1, f"{os.getpid()} {step}\n".encode())  # at once, or a kill could cut the line


def main() -> None:
    """For each line of standard input a child that saves; `ended` when it was killed."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            save_without_end(Path(sys.argv[1]))
        os.waitpid(child, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
