"""`netrun` with real descriptors, quickly: in a copy of this process, or now and then in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from random import Random
from signal import SIGKILL
from typing import Any, NoReturn

CODES = frozenset({0, 1, 2, 3, 4, 130, 141})
"""The exit codes that docs/cli.md lists, without that of an internal error."""
TIMEOUT = 60.0
NETRUN = (sys.executable, "-c", "import sys; from netruntime.cli import main; sys.exit(main())")
OUTPUTS = ("file", "closed", "full", "null", "left")
"""What an output can be: a file, nothing, a full disk, the null device, a pipe whose reader has left."""
INPUTS = ("null", "closed", "text", "folder")


@dataclass(frozen=True)
class Streams:
    """What the three standard streams of a command are."""

    input: str = "null"
    output: str = "file"
    error: str = "file"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote to outputs that are files."""

    code: int
    output: str
    error: str


def netrun(random: Random, words: Sequence[str], folder: Path, streams: Streams = Streams()) -> Done:
    """`netrun WORDS` in a folder. One in thirty starts Python anew, as a shell does."""
    call = _start if random.random() < 1 / 30 or not hasattr(os, "fork") else _fork
    with ExitStack() as stack:
        kinds = {0: streams.input, 1: streams.output, 2: streams.error}
        numbers = {number: _opened(kind, number, folder, stack) for number, kind in kinds.items()}
        code = call(words, folder, numbers)
    output, error = (_text(folder / f"stream{number}") for number in (1, 2))
    return Done(code, output, error)


def judge(done: Done, shown: str) -> None:
    """An exit code that docs/cli.md lists, and no traceback."""
    text = f"netrun {shown}: exit code {done.code}\n{done.output[-1500:]}\n{done.error[-3000:]}"
    assert done.code in CODES, text
    for word in ("Traceback", "Exception ignored", "panicked"):
        assert word not in done.output + done.error, text


def _opened(kind: str, number: int, folder: Path, stack: ExitStack) -> int | None:
    """A descriptor of this kind; None for one that is closed."""
    if kind == "closed":
        return None
    if kind == "left":
        reader, writer = os.pipe()
        os.close(reader)
        stack.callback(os.close, writer)
        return writer
    paths: Mapping[str, str | Path] = {
        "null": os.devnull,
        "full": "/dev/full" if Path("/dev/full").exists() else os.devnull,
        "file": folder / f"stream{number}",
        "text": folder / "stdin.txt",
        "folder": folder,
    }
    flags = os.O_RDONLY if number == 0 else os.O_WRONLY | (os.O_CREAT if kind == "file" else 0)
    descriptor = os.open(paths[kind], flags, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""


def _start(words: Sequence[str], folder: Path, numbers: Mapping[int, int | None]) -> int:
    """A process of its own."""

    def close() -> None:
        for number, descriptor in numbers.items():
            if descriptor is None:
                os.close(number)

    stdin, stdout, stderr = (numbers[n] if numbers[n] is not None else subprocess.DEVNULL for n in range(3))
    has_closed = None in numbers.values()
    return subprocess.run(
        [*NETRUN, *words],
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=close if has_closed else None,
        timeout=TIMEOUT,
        check=False,
    ).returncode


@cache
def _import_everything() -> None:
    """All modules of the commands, so that a copy of this process need not import them."""

    import netruntime

    for module in walk_packages(netruntime.__path__, "netruntime."):
        import_module(module.name)


def _fork(words: Sequence[str], folder: Path, numbers: Mapping[int, int | None]) -> int:
    """A copy of this process, in which everything is imported already."""
    from netruntime.cli.app import cli

    _import_everything()
    child = os.fork()
    if child == 0:
        _become(lambda: cli.main(list(words)), folder, numbers)
    end = time.monotonic() + TIMEOUT
    pause = 0.001
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    os.kill(child, SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"netrun {list(words)} is still running after {TIMEOUT:g} s")


def _become(main: Callable[[], Any], folder: Path, numbers: Mapping[int, int | None]) -> NoReturn:
    """Run the command with these descriptors, as Python does: a folder among them ends it with 1."""
    code = 1
    try:
        os.chdir(folder)
        _take(numbers)
        try:
            code = _code_of(main)
        except BaseException:
            traceback.print_exc()
        code = code if _flushed() else 120
    finally:
        os._exit(code)


def _take(numbers: Mapping[int, int | None]) -> None:
    """Make these the standard descriptors and streams."""
    for number, descriptor in numbers.items():
        os.close(number) if descriptor is None else os.dup2(descriptor, number)
    sys.stdin = sys.__stdin__ = _stream(numbers, 0, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(numbers, 1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(numbers, 2, "w")  # type: ignore[misc]


def _stream(numbers: Mapping[int, int | None], number: int, mode: str) -> Any:
    if numbers[number] is None:
        return None
    errors = ("surrogateescape", "strict", "backslashreplace")[number]
    return open(number, mode, encoding="utf-8", errors=errors, closefd=False)


def _code_of(main: Callable[[], Any]) -> int:
    try:
        result = main()
    except SystemExit as end:
        result = end.code
    return result if isinstance(result, int) else 0 if result is None else 1


def _flushed() -> bool:
    """Whether the last text could be written; where it cannot, Python reports that and ends with code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except Exception:
            return False
    return True
