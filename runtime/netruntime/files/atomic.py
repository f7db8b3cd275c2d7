"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_NOT_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a file, and put it at `path` only when it is complete and on the disk.

    An older file at `path` stays as it was until then, and whatever goes wrong; a link is followed. What is
    not an ordinary file, or is read-only, is never replaced. Raises `OSError`.
    """
    target = writable_target(path)
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        # `tempfile` would give the file modes that only its owner can read
        with temporary.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def writable_target(path: Path) -> Path:
    """The file that writing to `path` would create or replace, links followed.

    Raises `OSError` for a folder, a device, a pipe or a socket, for a read-only file, and for a name that
    the system does not accept.
    """
    target = resolved(path)
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    except ValueError as wrong:
        raise OSError(errno.EINVAL, str(wrong), repr(path)) from None
    if not stat.S_ISREG(mode):
        kind = _NOT_FILES.get(stat.S_IFMT(mode), "not an ordinary file")
        raise OSError(errno.EINVAL, f"it is {kind}", str(path))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    return target


def resolved(path: Path) -> Path:
    """The absolute path with all links followed; what is not there may be named.

    Raises `OSError` also for a loop of links, and for a name with a null byte or a lone surrogate.
    """
    try:
        return path.resolve()
    except RuntimeError:  # what Python before 3.13 raises
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    except ValueError as wrong:
        raise OSError(errno.EINVAL, str(wrong), repr(path)) from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write these bytes as `write_atomically` does. Raises `OSError`."""

    def fill(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomically(path, fill)


def sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
