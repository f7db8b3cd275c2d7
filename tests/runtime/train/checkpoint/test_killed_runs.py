"""`netrun train` killed at random moments, and resumed: it ends with the weights of a run that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import SOURCE, rows

import netruntime as nr

COMMAND = [sys.executable, "-c", "from netruntime.cli import main; main()", "train"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.net").write_text(SOURCE)
    np.savez(tmp_path / "rows.npz", **rows(200))
    return tmp_path


def start(folder: Path, out: str, *more: str) -> subprocess.Popen[str]:
    options = ["small.net", "--data", "rows.npz", "--holdout", "0.2", "--out", out, "--epochs", "6"]
    options += ["--save-every", "3", "--plain", *more]
    return subprocess.Popen(
        [*COMMAND, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def weights(folder: Path, out: str) -> dict[str, Any]:
    return dict(nr.read_weights(folder / out / "last.safetensors"))


def figures(folder: Path, out: str) -> list[list[str]]:
    """The lines of the log without the seconds, which no two runs share."""
    lines = (folder / out / "metrics.jsonl").read_text().splitlines()
    return [[part for part in line.split(", ") if "seconds" not in part] for line in lines]


def test_killed_at_random_and_resumed(folder: Path) -> None:
    code, told = finish(start(folder, "whole"))
    assert code == 0, told
    chance = random.Random(7)
    kills = 0
    for _ in range(3):
        process = start(folder, "killed", *resume(folder, "killed"))
        await_steps(process, folder / "killed" / "metrics.jsonl")
        time.sleep(chance.random() * 0.2)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        finish(process)
    assert kills, "no run was killed: make them longer"
    code, told = finish(start(folder, "killed", *resume(folder, "killed")))
    assert code == 0, told
    whole, killed = weights(folder, "whole"), weights(folder, "killed")
    assert all(np.array_equal(whole[name], killed[name]) for name in whole)
    assert figures(folder, "whole") == figures(folder, "killed")
    best = [(folder / out / "best.safetensors").read_bytes() for out in ("whole", "killed")]
    assert best[0] == best[1]


def resume(folder: Path, out: str) -> list[str]:
    return ["--resume"] if list((folder / out / "checkpoints").glob("step-*")) else []


def await_steps(process: subprocess.Popen[str], log: Path) -> None:
    """Wait until the run has written a line more to its log, or has ended."""
    before = log.stat().st_size if log.exists() else 0
    deadline = time.monotonic() + 60
    while process.poll() is None and (not log.exists() or log.stat().st_size <= before):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_interrupt_saves_and_says_how_to_go_on(folder: Path) -> None:
    process = start(folder, "stopped", "--epochs", "4000")
    deadline = time.monotonic() + 60
    while not list((folder / "stopped" / "checkpoints").glob("step-*")):
        assert time.monotonic() < deadline and process.poll() is None, finish(process)
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, told = finish(process)
    assert code == 130, told
    assert "stopped and saved at step" in told and "--resume" in told
    assert (folder / "stopped" / "last.safetensors").exists()
    resumed = start(folder, "stopped", "--epochs", "4000", "--resume", "--steps", "1")
    assert finish(resumed)[0] == 0
