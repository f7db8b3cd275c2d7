"""The folder of a run's checkpoints: the newest ones and the best, each a folder of its own.

    checkpoints/step-00001200/weights.safetensors   the model's weights under their own names
                              state.safetensors     optimizers, averages and the other sections
                              manifest.json         step, small state, sizes and checksums; written last

Each is made under a hidden name and renamed when it is on the disk, so a kill at any moment leaves the one
before as it was.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from netruntime.errors import TrainingError, shown
from netruntime.train.checkpoint.contract import Checkpoint
from netruntime.train.checkpoint.lock import FolderLock
from netruntime.train.checkpoint.manifest import Manifest, read_manifest
from netruntime.train.checkpoint.reading import looks_whole, read_checkpoint
from netruntime.train.checkpoint.writing import DROPPED, SAVING, drop, write_checkpoint, writing

LOCK = "training.lock"
_NAME = re.compile(r"step-\d{8,}(-\d+)?")


@dataclass(frozen=True)
class _Entry:
    """A checkpoint's folder; its manifest, or None where that cannot be read."""

    path: Path
    manifest: Manifest | None

    @property
    def order(self) -> tuple[bool, int]:
        """The order of saving; those that do not tell come last, so that they are noticed."""
        return (self.manifest is None, self.manifest.saved if self.manifest else 0)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


class CheckpointFolder:
    """Checkpoints of one run.

    Saving locks the folder against other trainings until `close`, which leaving a `with` does as well;
    reading needs no lock.
    """

    def __init__(self, folder: Path, keep: int = 2, notice: Callable[[str], None] = _warn) -> None:
        """`keep` is how many of the newest stay, at least 1; `notice` is called with what was skipped."""
        if keep < 1:
            raise ValueError(f"keep is {keep}, and must be 1 or more")
        self.folder = Path(folder)
        self.keep = keep
        self._notice = notice
        self._lock = FolderLock(self.folder / LOCK)

    def open(self) -> None:
        """Make the folder, lock it, and remove what a killed process left half-written.

        Raises `TrainingError`: E1052 where the folder cannot be written, E1053 where another training
        has it. `save` does this by itself; a run that calls it first fails before the first step.
        """
        if self._lock.is_held:
            return
        with writing(self.folder, 0):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        for prefix in (SAVING, DROPPED):
            for left in self.folder.glob(f"{prefix}*"):
                shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def save(self, checkpoint: Checkpoint, best: bool = False) -> Path:
        """Save a checkpoint, and then drop the oldest that are neither among the newest nor the best.

        When this returns, the checkpoint is on the disk and is what `newest` gives, also where an earlier
        run got to a later step. `best` marks it as the best so far. Raises `TrainingError`: E1052 where
        the system refuses, E1053 where another training has the folder; what was saved before stays.
        """
        self.open()
        saved = 1 + max((e.manifest.saved for e in self._entries() if e.manifest), default=0)
        path = self._new_path(checkpoint.step)
        write_checkpoint(path, checkpoint, saved, best)
        self._drop_old()
        return path

    def newest(self) -> Checkpoint | None:
        """The checkpoint saved last; None where there is none.

        One that cannot be used is reported to `notice`, and the one before it is taken. Raises
        `TrainingError`, where there are some and none can be used: E1050 or, of a single one, E1051.
        """
        entries = self._entries()
        for entry in reversed(entries):
            try:
                return read_checkpoint(entry.path)
            except TrainingError as wrong:
                if len(entries) == 1:
                    raise
                self._notice(f"passed over: {wrong.diagnostics[0].message}")
        if entries:
            raise _none_usable(self.folder, len(entries))
        return None

    def best(self) -> Checkpoint | None:
        """The last checkpoint that was saved as the best. Raises what `load` does."""
        marked = [entry for entry in self._entries() if entry.manifest and entry.manifest.best]
        return read_checkpoint(marked[-1].path) if marked else None

    def load(self, path: Path) -> Checkpoint:
        """The checkpoint in the folder `path`.

        Raises `TrainingError`: E1050 where it is damaged, E1051 where another version wrote it, E1054
        where it is not a finished checkpoint.
        """
        return read_checkpoint(Path(path))

    def _entries(self) -> list[_Entry]:
        """All checkpoints, in the order they were saved in."""
        return sorted(self._found(), key=lambda entry: entry.order)

    def _found(self) -> Iterator[_Entry]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if _NAME.fullmatch(path.name) and path.is_dir():
                manifest = None
                with suppress(TrainingError):
                    manifest = read_manifest(path)
                yield _Entry(path, manifest)

    def _new_path(self, step: int) -> Path:
        path = self.folder / f"step-{step:08d}"
        number = 1
        while path.exists():
            number += 1
            path = self.folder / f"step-{step:08d}-{number}"
        return path

    def _drop_old(self) -> None:
        """Only whole ones count as kept, so that damage never costs the last good one."""
        whole = [e for e in self._entries() if e.manifest and looks_whole(e.path, e.manifest)]
        best = [entry for entry in whole if entry.manifest and entry.manifest.best]
        for entry in whole[: -self.keep]:
            if entry not in best[-1:]:
                try:
                    drop(entry.path)
                except OSError as reason:
                    self._notice(
                        f"cannot remove the old checkpoint {shown(entry.path)}: {reason.strerror or reason}"
                    )


def _none_usable(folder: Path, count: int) -> TrainingError:
    return TrainingError.make(
        "E1050",
        f"none of the {count} checkpoints in {shown(folder)} can be used",
        help="restore one from a copy, or train from the beginning into another folder",
    )
