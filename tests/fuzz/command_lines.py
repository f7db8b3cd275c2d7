"""Random command lines: every command, every option with odd values, small real files, odd streams.

The exit code is one that docs/cli.md lists, and never that of an internal error; nothing ends in a traceback.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netruntime import write_weights

SHORT = 5
SECONDS = 30.0
CODES = frozenset({0, 1, 2, 3, 4, 130, 141})
NETRUN = (sys.executable, "-c", "import sys; from netruntime.cli import main; sys.exit(main())")
COMMANDS = (
    "run",
    "check",
    "test",
    "show",
    "fmt",
    "explain",
    "init",
    "train",
    "eval",
    "predict",
    "generate",
    "completion",
)
NET = """net 1.0
config { width: int = 4 }
model M(x: f32[B, 4]) -> logits: f32[B, 3] { return x -> fc: Linear(width) -> out: Linear(3) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  epochs = 1
}
"""
TEXT = """net 1.0
model W(ids: i32[B, T]) -> logits: f32[B, T, 8] { return ids -> embed: Embedding(8, 4) -> out: Linear(8) }
"""
ODD = (
    "",
    " ",
    "x",
    "-1",
    "0",
    "1",
    "3",
    "1e400",
    "nan",
    "99999999999999999999",
    "a=b",
    "x=",
    "=",
    "\udcff",
    "é" * 300,
)
FILES = (
    "m.net",
    "w.net",
    "d.npz",
    "x.npy",
    "w.safetensors",
    "no.npz",
    ".",
    "m.net",
    "/dev/null",
    "out",
    "d.npz:x",
    "*.npz",
)
STREAMS = ("pipe", "closed", "full", "null", "file")


def trial(random: Random) -> str:
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder))
        words = _line(random)
        out, err = random.choice(STREAMS), random.choice(("pipe", "pipe", "closed", "full"))
        done = _run(words, Path(folder), out, err)
        shown = f"netrun {words} > {out} 2> {err}\n{done.stdout or b''!r:.2000}\n{done.stderr or b''!r:.3000}"
        assert done.returncode in CODES, f"exit code {done.returncode} of {shown}"
        text = (done.stdout or b"") + (done.stderr or b"")
        assert b"Traceback" not in text and b"E0999" not in text, shown
        return f"exit {done.returncode}"


def _fill(folder: Path) -> None:
    x, label = np.ones((4, 4), np.float32), np.arange(4, dtype=np.int32) % 3
    np.savez(folder / "d.npz", x=x, label=label)
    np.save(folder / "x.npy", x)
    (folder / "m.net").write_text(NET, "utf-8")
    (folder / "w.net").write_text(TEXT, "utf-8")
    weights = {"fc.weight": x, "fc.bias": x[0], "out.weight": x[:3], "out.bias": x[0, :3]}
    write_weights(folder / "w.safetensors", weights)


@cache
def options(command: str) -> tuple[str, ...]:
    """The options that the command's help lists, but for those that wait for a change or never end."""
    done = subprocess.run([*NETRUN, command, "--help"], capture_output=True, timeout=60, check=True)
    names = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout.decode()))
    return tuple(sorted(names - {"--watch", "--live"}))


def _line(random: Random) -> list[str]:
    command = random.choice(COMMANDS)
    words = [command] + (
        [random.choice(FILES[:2])] if random.random() < 0.8 else [random.choice(FILES + ODD)]
    )
    if command in ("train", "eval", "predict", "run") and random.random() < 0.7:
        words += {"run": ["--input", "x=x.npy"]}.get(command, ["--data", "d.npz"])
    if command == "train":
        words += ["--steps", "1"]
    if command == "generate" and random.random() < 0.7:
        words += ["--prompt", "1 2", "--max-new", "2"]
    for _ in range(random.randint(0, 3)):
        words.append(random.choice(options(command) or ("--help",)))
        if random.random() < 0.7:
            words.append(random.choice(FILES + ODD))
    return [word for word in words if "\0" not in word]


def _run(words: list[str], folder: Path, out: str, err: str) -> subprocess.CompletedProcess[bytes]:
    with contextlib.ExitStack() as stack:
        streams = {1: _stream(out, folder, stack), 2: _stream(err, folder, stack)}
        closed = [number for number, name in ((1, out), (2, err)) if name == "closed"]

        def close() -> None:
            for number in closed:
                os.close(number)

        return subprocess.run(
            [*NETRUN, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=streams[1],
            stderr=streams[2],
            preexec_fn=close if closed else None,
            timeout=120,
            check=False,
        )


def _stream(name: str, folder: Path, stack: contextlib.ExitStack) -> Any:
    if name == "full" and Path("/dev/full").exists():
        return stack.enter_context(Path("/dev/full").open("wb"))
    if name == "file":
        return stack.enter_context((folder / "stream.txt").open("wb"))
    return subprocess.DEVNULL if name == "null" else subprocess.PIPE
