"""The folder of a run's checkpoints: the newest ones and the best, each in a separate folder.

    checkpoints/step-00001200/weights.safetensors   the model's weights under their own names
                              state.safetensors     optimizers, averages and the other sections
                              manifest.json         step, small state, sizes and checksums; written last

Each is written under a hidden name and renamed once it is on disk, so a kill at any moment leaves the
previous one intact.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from netdsl.immutable import immutable
from netruntime.errors import TrainingError, shown
from netruntime.train.checkpoint.contract import Checkpoint
from netruntime.train.checkpoint.lock import FolderLock
from netruntime.train.checkpoint.manifest import Manifest, read_manifest
from netruntime.train.checkpoint.reading import looks_complete, read_checkpoint
from netruntime.train.checkpoint.writing import DROPPED, SAVING, drop, write_checkpoint, writing

LOCK = "training.lock"
_NAME = re.compile(r"step-\d{8,}(-\d+)?")


@immutable
class _Entry:
    """A checkpoint's folder and its manifest; None if that cannot be read."""

    path: Path
    manifest: Manifest | None

    @property
    def order(self) -> tuple[bool, int]:
        """The order of saving; entries without a manifest come last, so that they are reported."""
        return (self.manifest is None, self.manifest.saved if self.manifest else 0)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


class CheckpointFolder:
    """Checkpoints of one run.

    Saving locks the folder against other runs until `close`, or the end of a `with` statement; reading
    needs no lock.
    """

    def __init__(self, folder: Path, keep: int = 2, notice: Callable[[str], None] = _warn) -> None:
        """`keep` is how many of the newest to keep, at least 1; `notice` is called for skipped ones."""
        if keep < 1:
            raise ValueError(f"keep must be 1 or more, but is {keep}")
        self.folder = Path(folder)
        self.keep = keep
        self._notice = notice
        self._lock = FolderLock(self.folder / LOCK)

    def open(self) -> None:
        """Create the folder, lock it, and remove what a killed process left half-written.

        Raises `TrainingError`: E1052 if the folder cannot be written, E1053 if another run uses it. `save`
        does this automatically; a run that calls it first fails before the first step.
        """
        if self._lock.is_held:
            return
        with writing(self.folder, 0):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        for prefix in (SAVING, DROPPED):
            for leftover in self.folder.glob(f"{prefix}*"):
                shutil.rmtree(leftover, ignore_errors=True)

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
        """Save a checkpoint, then remove all but the newest ones and the best.

        When this returns, the checkpoint is on disk and `newest` returns it, even if an earlier run reached
        a later step. `best` marks it as the best so far. Raises `TrainingError`: E1052 if it cannot be
        written, E1053 if another run uses the folder; earlier checkpoints are kept.
        """
        self.open()
        saved = 1 + max((e.manifest.saved for e in self._entries() if e.manifest), default=0)
        path = self._new_path(checkpoint.step)
        write_checkpoint(path, checkpoint, saved, best)
        self._drop_old()
        return path

    def newest(self) -> Checkpoint | None:
        """The checkpoint saved last; None if there is none.

        An unusable one is reported to `notice`, and the one before it is used. Raises `TrainingError` if
        there are checkpoints but none is usable: E1050 or, for a single one, E1051.
        """
        entries = self._entries()
        for entry in reversed(entries):
            try:
                return read_checkpoint(entry.path)
            except TrainingError as wrong:
                if len(entries) == 1:
                    raise
                self._notice(f"skipped: {wrong.diagnostics[0].message}")
        if entries:
            raise _none_usable(self.folder, len(entries))
        return None

    def best(self) -> Checkpoint | None:
        """The last checkpoint that was saved as the best. Raises what `load` does."""
        marked = [entry for entry in self._entries() if entry.manifest and entry.manifest.best]
        return read_checkpoint(marked[-1].path) if marked else None

    def load(self, path: Path) -> Checkpoint:
        """The checkpoint in the folder `path`.

        Raises `TrainingError`: E1050 if it is damaged, E1051 if another version wrote it, E1054 if it is
        not a complete checkpoint.
        """
        return read_checkpoint(Path(path))

    def _entries(self) -> list[_Entry]:
        """All checkpoints, in the order in which they were saved."""
        return sorted(self._unsorted(), key=lambda entry: entry.order)

    def _unsorted(self) -> Iterator[_Entry]:
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
        """Remove old checkpoints; only complete ones count as kept, so that a usable one remains."""
        complete = [e for e in self._entries() if e.manifest and looks_complete(e.path, e.manifest)]
        best = [entry for entry in complete if entry.manifest and entry.manifest.best]
        for entry in complete[: -self.keep]:
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
