"""One training at a time in one folder."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from pathlib import Path

import filelock

from netruntime.errors import TrainingError, shown

_WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system that has no locks answers."""


class FolderLock:
    """A lock file that names its process.

    The system releases the lock when the process ends, however it ends: a file that a killed process left
    behind does not block the next one, and a forked child does not keep the lock of its parent. On a file
    system without locks, nothing is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path, thread_local=False)

    @property
    def is_held(self) -> bool:
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock.

        Raises `TrainingError` E1053 if another training holds it, `OSError` if the folder is not writable.
        """
        if self.is_held:
            return
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise self._in_use() from None
        except OSError as reason:
            if reason.errno not in _WITHOUT_LOCKS:
                raise
        with suppress(OSError):  # Windows lets nobody write to a locked file
            self.path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), "utf-8")

    def release(self) -> None:
        """Release the lock and remove its file."""
        if not self.is_held:
            return
        with suppress(OSError):
            self.path.unlink()
        self._lock.release()

    def _in_use(self) -> TrainingError:
        return TrainingError.make(
            "E1053",
            f"{shown(self.path.parent)} is in use by another training, {self._holder()}",
            help="wait until it ends or stop it, or name another folder",
        )

    def _holder(self) -> str:
        try:
            holder = json.loads(self.path.read_text("utf-8"))
            return f"process {int(holder['pid'])} on {shown(holder['host'])}"
        except (OSError, ValueError, KeyError, TypeError):
            return "which has not given its name"
