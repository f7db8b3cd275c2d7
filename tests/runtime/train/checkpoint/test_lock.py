"""The lock of a folder: what it says, what it leaves behind, and where the file system has no locks."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from netruntime.errors import TrainingError
from netruntime.train.checkpoint.lock import FolderLock


def test_a_released_lock_leaves_no_file(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "training.lock")
    lock.acquire()
    assert lock.is_held and lock.path.exists()
    lock.release()
    assert not lock.is_held and not lock.path.exists()
    lock.release()  # a second time does nothing


def test_the_message_names_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from netruntime.train.checkpoint.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1]))\n"
        "lock.acquire()\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = tmp_path / "training.lock"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TrainingError, match=rf"in use by another run: process {other.pid} on ") as caught:
            FolderLock(path).acquire()
        assert caught.value.code == "E1053"
        other.kill()
    FolderLock(path).acquire()


def test_a_holder_without_a_name(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / "training.lock")
    first.acquire()
    first.path.write_text("")
    with pytest.raises(TrainingError, match="another run: an unknown process"):
        FolderLock(first.path).acquire()


def test_a_file_system_without_locks_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> None:
        def acquire(*_: object, **__: object) -> None:
            raise OSError(number, "refused")

        monkeypatch.setattr(filelock.FileLock, "acquire", acquire)

    lock = FolderLock(tmp_path / "training.lock")
    refuse(errno.ENOLCK)
    lock.acquire()
    assert not lock.is_held
    lock.release()
    refuse(errno.EACCES)
    with pytest.raises(OSError, match="refused"):
        lock.acquire()
