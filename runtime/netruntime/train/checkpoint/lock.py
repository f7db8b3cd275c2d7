"""One training at a time in one folder."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TextIO

from netruntime.errors import TrainingError, shown

_held: set[FolderLock] = set()


class FolderLock:
    """A lock file that names its process, and that the system lets go when this one ends, however it ends.

    A file that a killed process left behind is therefore no obstacle. Where the system or the disk knows no
    such locks, nothing is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: TextIO | None = None

    @property
    def is_held(self) -> bool:
        return self._stream is not None

    def acquire(self) -> None:
        """Take the lock.

        Raises `TrainingError` E1053 where another has it, `OSError` where the folder cannot be written.
        """
        while self._stream is None:
            stream = self.path.open("a+", encoding="utf-8")
            try:
                self._lock(stream)
                current = self._is_current(stream)
            except BaseException:
                stream.close()
                raise
            if current:
                self._stream = stream
            else:  # its last holder removed it between our two calls
                stream.close()
        _held.add(self)
        self._stream.seek(0)
        self._stream.truncate()
        self._stream.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        self._stream.flush()

    def release(self) -> None:
        """Let the lock go, and remove its file."""
        if self._stream is None:
            return
        with suppress(OSError):
            self.path.unlink()
        self.forget()

    def forget(self) -> None:
        """Close the file only: a forked child must not keep the lock of its parent."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        _held.discard(self)

    def _lock(self, stream: TextIO) -> None:
        module = _fcntl()
        if module is None:
            return
        try:
            module.flock(stream, module.LOCK_EX | module.LOCK_NB)
        except BlockingIOError:
            raise self._taken() from None
        except OSError:
            return  # a disk without locks

    def _is_current(self, stream: TextIO) -> bool:
        try:
            return os.path.samestat(os.fstat(stream.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def _taken(self) -> TrainingError:
        return TrainingError.make(
            "E1053",
            f"{shown(self.path.parent)} is in use by another training, {self._holder()}",
            help="wait until it ends or stop it, or name another folder",
        )

    def _holder(self) -> str:
        try:
            told = json.loads(self.path.read_text("utf-8"))
            return f"process {int(told['pid'])} on {shown(told['host'])}"
        except (OSError, ValueError, KeyError, TypeError):
            return "which has not given its name"


def _fcntl() -> ModuleType | None:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
