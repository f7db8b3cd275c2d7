"""A kill, a full disk and a folder that bars us lose nothing that was saved."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import checkpoint_cases
import numpy as np
import pytest
from checkpoint_cases import WEIGHT, make_checkpoint

from netruntime.errors import TrainingError
from netruntime.train.checkpoint import CheckpointFolder, save_weights

KILLS = 25


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    command = [sys.executable, checkpoint_cases.__file__, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        yield process


def test_a_kill_at_any_moment_loses_no_finished_checkpoint(
    tmp_path: Path, saver: subprocess.Popen[str]
) -> None:
    chance = random.Random(11)
    told: list[str] = []
    folder = CheckpointFolder(tmp_path, notice=told.append)
    acknowledged = 0
    for _ in range(KILLS):
        acknowledged = save_until_killed(saver, chance.uniform(0, 0.05))
        found = folder.newest()
        assert found is not None and found.step >= acknowledged
        assert (found.arrays["weights"][WEIGHT] == found.step).all()
        assert found.arrays["optimizer/G"]["step"] == found.step
    assert told == []
    assert acknowledged > KILLS
    left = {path.name for path in tmp_path.iterdir()}
    with folder:
        folder.save(make_checkpoint(acknowledged + 1))
        assert len(list(tmp_path.iterdir())) == 3, left  # two checkpoints and the lock


def save_until_killed(saver: subprocess.Popen[str], seconds: float) -> int:
    """Let a process save for `seconds` after its first checkpoint; the last step it said was saved."""
    assert saver.stdin is not None and saver.stdout is not None
    saver.stdin.write("\n")
    saver.stdin.flush()
    process, step = map(int, saver.stdout.readline().split())
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    while (line := saver.stdout.readline()) != "ended\n":
        step = int(line.split()[1])
    return step


class Refusing:
    """Stands for `os.fsync`, which is where a disk often says that it is full: refuses at the nth call."""

    def __init__(self, calls: int, number: int) -> None:
        self.calls = calls
        self.number = number

    def __call__(self, descriptor: int) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("calls", range(7))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_refuses_at_any_of_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, number: int
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(make_checkpoint(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Refusing(calls, number))
        with pytest.raises(TrainingError, match=os.strerror(number)) as caught:
            folder.save(make_checkpoint(2))
    assert caught.value.code == "E1052"
    assert str(tmp_path / "step-00000002") in str(caught.value)
    assert ("it needs 104 B, and " in str(caught.value)) == (number != errno.EIO)
    last = calls == 6  # the folder's own entry was made, and only its fsync failed
    found = folder.newest()
    assert found is not None and found.step == (2 if last else 1)
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    folder = CheckpointFolder(small_disk / "checkpoints")
    folder.save(make_checkpoint(1))
    with pytest.raises(TrainingError) as caught:
        folder.save(make_checkpoint(2, 100_000))
    message = str(caught.value)
    assert caught.value.code == "E1052"
    assert "No space left on device; it needs 1.1 MiB, and 2" in message and "KiB are free" in message
    assert "free some space" in message
    found = folder.newest()
    assert found is not None and found.step == 1
    folder.save(make_checkpoint(3))
    with pytest.raises(TrainingError, match="No space left"):
        save_weights(small_disk / "best.safetensors", {"w": np.zeros(100_000)})
    folder.close()
    assert [path.name for path in small_disk.iterdir()] == ["checkpoints"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the rights of a folder do not bind root")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert_refused(tmp_path / "checkpoints", "Permission denied")
        assert_refused(tmp_path, "Permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_disk(small_disk: Path) -> None:
    with CheckpointFolder(small_disk) as folder:
        folder.save(make_checkpoint(1))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_refused(small_disk, "Read-only file system")
    found = folder.newest()
    assert found is not None and found.step == 1


def test_a_rename_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "rename", refuse)
    assert_refused(tmp_path, "Permission denied")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    assert_refused(tmp_path / "run", "File exists")
    assert_refused(tmp_path / "run" / "checkpoints", "Not a directory")


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason) as caught:
        CheckpointFolder(path).save(make_checkpoint(2))
    assert caught.value.code == "E1052"
    assert "earlier files are intact" in str(caught.value)


def test_an_old_one_that_cannot_be_removed_fails_no_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    told: list[str] = []
    monkeypatch.setattr("netruntime.train.checkpoint.folder.drop", refuse)
    folder = CheckpointFolder(tmp_path, keep=1, notice=told.append)
    folder.save(make_checkpoint(1))
    folder.save(make_checkpoint(2))
    assert len(told) == 1 and "step-00000001`: Permission denied" in told[0]
