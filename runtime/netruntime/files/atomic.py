"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a file, and put it at `path` only when it is complete and on the disk.

    An older file at `path` stays as it was until then, and whatever goes wrong; a link is followed.
    Raises `OSError`.
    """
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
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
