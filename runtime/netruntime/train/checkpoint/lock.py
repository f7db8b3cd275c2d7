"""A lock that allows only one run at a time in a folder."""

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
"""Error codes of file systems without locks."""


class FolderLock:
    """A lock file that names its process.

    The system releases the lock however the process ends: a file left behind by a killed process does not
    block the next one, and a forked child does not hold the lock of its parent. On a file system without
    locks, nothing is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path, thread_local=False)

    @property
    def is_held(self) -> bool:
        return self._lock.is_locked

    def acquire(self) -> None:
        """Acquire the lock.

        Raises `TrainingError` E1053 if another run holds it, `OSError` if the folder is not writable.
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
        with suppress(OSError):  # Windows does not allow writing to a locked file
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
            f"{shown(self.path.parent)} is in use by another run: {self._holder()}",
            help="wait until it ends, stop it, or use another folder",
        )

    def _holder(self) -> str:
        try:
            holder = json.loads(self.path.read_text("utf-8"))
            return f"process {int(holder['pid'])} on {shown(holder['host'])}"
        except (OSError, ValueError, KeyError, TypeError):
            return "an unknown process"
