"""Writing checkpoints and weights atomically."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from netruntime.errors import TrainingError, WeightsError, shown
from netruntime.files.atomic import sync_folder, write_bytes
from netruntime.quantities import bytes_text
from netruntime.train.checkpoint.contract import WEIGHTS, Checkpoint
from netruntime.train.checkpoint.manifest import (
    MANIFEST,
    STATE_FILE,
    WEIGHTS_FILE,
    FileRecord,
    Manifest,
)
from netruntime.weight_files.weights import write_weights

SAVING, DROPPED = ".saving-", ".dropped-"
"""Name prefixes of folders that a killed process may leave behind."""

_UNTOUCHED = "earlier files are intact"
_ADVICE = {
    errno.ENOSPC: f"free some space, or use a folder on another disk; {_UNTOUCHED}",
    errno.EDQUOT: f"your quota is used up: free some space, or use another folder; {_UNTOUCHED}",
    errno.EACCES: f"use a folder that you may write to; {_UNTOUCHED}",
    errno.EPERM: f"use a folder that you may write to; {_UNTOUCHED}",
    errno.EROFS: f"use a folder that you may write to; {_UNTOUCHED}",
}


def save_weights(path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write weights to use, such as `best.safetensors`, replacing an existing file atomically.

    Raises `TrainingError` E1052 if they cannot be written, with the bytes needed and free.
    """
    with writing(path, sum(array.nbytes for array in arrays.values())):
        write_weights(path, arrays, metadata)


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically. Raises `TrainingError` E1052 if it cannot be written."""
    raw = text.encode(errors="backslashreplace")

    with writing(path, len(raw)):
        write_bytes(path, raw)


def write_checkpoint(target: Path, checkpoint: Checkpoint, saved: int, best: bool) -> None:
    """Write a checkpoint to the new folder `target`, which appears once everything is on disk.

    Raises `TrainingError` E1052 if it cannot be written.
    """
    needed = sum(array.nbytes for section in checkpoint.arrays.values() for array in section.values())
    temporary = target.with_name(f"{SAVING}{secrets.token_hex(8)}")
    with writing(target, needed):
        try:
            temporary.mkdir()
            _fill(temporary, checkpoint, saved, best)
            temporary.rename(target)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(temporary)
            raise
        sync_folder(target.parent)


def drop(folder: Path) -> None:
    """Remove a checkpoint, renaming it first so that it is never seen incomplete. Raises `OSError`."""
    hidden = folder.with_name(f"{DROPPED}{secrets.token_hex(8)}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


@contextmanager
def writing(path: Path, needed: int) -> Iterator[None]:
    """Turn an `OSError` while `path` is written into E1052; `needed` is in bytes."""
    try:
        yield
    except OSError as reason:
        _cannot_save(path, needed, reason)
    except WeightsError as wrong:
        if isinstance(wrong.__cause__, OSError):
            _cannot_save(path, needed, wrong.__cause__)
        raise


def _fill(folder: Path, checkpoint: Checkpoint, saved: int, best: bool) -> None:
    state = {
        f"{section}:{name}": array
        for section, arrays in checkpoint.arrays.items()
        for name, array in arrays.items()
        if section != WEIGHTS
    }
    write_weights(folder / WEIGHTS_FILE, checkpoint.arrays.get(WEIGHTS, {}))
    write_weights(folder / STATE_FILE, state)
    manifest = Manifest(
        saved=saved,
        best=best,
        step=checkpoint.step,
        epoch=checkpoint.epoch,
        batch=checkpoint.batch,
        sections={section: len(arrays) for section, arrays in checkpoint.arrays.items()},
        files={name: file_record(folder / name) for name in (WEIGHTS_FILE, STATE_FILE)},
        state=checkpoint.state,
    )
    with (folder / MANIFEST).open("x", encoding="utf-8") as stream:
        stream.write(manifest.to_json())
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(folder)


def file_record(path: Path) -> FileRecord:
    """The length and checksum of a file, read from disk. Raises `OSError`."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return FileRecord(stream.tell(), digest)


def _cannot_save(path: Path, needed: int, reason: OSError) -> NoReturn:
    message = f"cannot save {shown(path)}: {reason.strerror or reason}"
    if reason.errno in (errno.ENOSPC, errno.EDQUOT):
        message += f"; it needs {bytes_text(needed)}"
        with suppress(OSError):
            message += f", and {bytes_text(shutil.disk_usage(path.parent).free)} are free"
    raise TrainingError.make("E1052", message, help=_ADVICE.get(reason.errno or 0, _UNTOUCHED)) from reason
