"""Standard streams that are closed, full, or left by their reader; folders that have gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import START, environment, netrun, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed by a shell")

NET = """net 1.0

model M(x: f32[B, 4]) -> logits: f32[B, 3] {
  return x -> fc: Linear(3)
}

model W(ids: i32[B, T]) -> logits: f32[B, T, 20] {
  return ids -> embed: Embedding(20, 8) -> out: Linear(20)
}

train {
  input label: i32[B]
  logits = M(x)
  loss = cross_entropy(logits, label)
}

test "same" {
  y = M(x=zeros([2, 4]))
  expect y ~ y within 0.1
}
"""
ROWS = "a,b,c,d,label\n1,2,3,4,0\n1,2,3,4,1\n4,3,2,1,2\n"

COMMANDS = [
    "check m.net",
    "check m.net --json",
    "show m.net --model M",
    "show m.net --model M --graph svg",
    "run m.net --model M --input random",
    "run m.net --model M --input random --json",
    "train m.net --data d.csv --epochs 1 --no-save",
    "train m.net --data d.csv --epochs 1 --out RUN --json",
    "eval m.net --data d.csv",
    "predict m.net --model M --data d.csv --out RUN.csv",
    "generate m.net --model W --prompt-ids 1,2 --max 3",
    "fmt --diff m.net",
    "explain E0201",
    "init RUN --json",
    "completion bash",
    "test m.net",
    "--help",
    "run --help",
    "frobnicate",
]
PRINTING = {"check", "show", "run", "eval", "generate", "explain", "completion", "test", "--help"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams")
    write(path, "m.net", NET)
    write(path, "d.csv", ROWS)
    return path


def shell(folder: Path, command: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """A command with a shell's redirections."""
    python = f'"{sys.executable}" -c "{START}"'
    return subprocess.run(
        ["bash", "-c", f"{python} {command} {redirections}"],
        cwd=folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=120,
    )


def check_quiet(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode != 70
    assert not any(word in done.stderr for word in ("Traceback", "E0999", "Exception ignored"))


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_every_command_without_its_streams(folder: Path, number: int) -> None:
    command = COMMANDS[number].replace("RUN", f"r{number}")
    kinds = (">/dev/full", ">&-", "2>/dev/full", "2>&-", "<&-", "<&- >&- 2>&-")
    redirection = kinds[number % len(kinds)]
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    done = shell(folder, command, redirection)
    check_quiet(done)
    if redirection.startswith(">") and command.split()[0] in PRINTING:
        assert done.returncode == 4, done.stderr
        assert "error[E0941]: standard output cannot be written: " in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("command", ["check m.net --json", "show m.net --model M --graph svg"])
def test_output_that_is_full(folder: Path, command: str) -> None:
    done = shell(folder, command, ">/dev/full")
    assert done.returncode == 4
    assert done.stderr.startswith("error[E0941]: standard output cannot be written: No space left on device")


def test_results_do_not_depend_on_standard_error(folder: Path) -> None:
    plain = shell(folder, "run m.net --model M --input random --seed 3", "")
    closed = shell(folder, "run m.net --model M --input random --seed 3", "2>&-")
    assert plain.returncode == closed.returncode == 0
    assert plain.stdout == closed.stdout != ""


def test_a_closed_descriptor_never_receives_a_file(folder: Path) -> None:
    """The first file that is opened would otherwise be number 1, and what is printed would go into it."""
    done = shell(folder, "run m.net --model M --input random --save out.npy", ">&-")
    check_quiet(done)
    import numpy as np

    assert np.load(folder / "out.npy").shape == (1, 3)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("run m.net --model M --input -", "E0802"),
        ("fmt -", "E0940"),
        ("generate m.net --model W -p -", "E0940"),
    ],
)
def test_closed_standard_input(folder: Path, command: str, code: str) -> None:
    done = shell(folder, command, "<&-")
    assert done.returncode in (3, 4)
    assert f"error[{code}]: standard input cannot be read: " in done.stderr


@pytest.mark.parametrize("command", ["--version", "explain"])
def test_a_reader_that_leaves(folder: Path, command: str) -> None:
    done = shell(folder, command, "2>err.txt | true; exit ${PIPESTATUS[0]}")
    assert done.returncode in (0, 141)  # the reader may still be there when little is written
    errors = (folder / "err.txt").read_text()
    assert "Traceback" not in errors and "Broken" not in errors


def test_help_into_a_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", START, "--help"], stdout=writer, stderr=subprocess.PIPE, env=environment({})
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, b"")


def test_text_that_is_not_utf8(folder: Path) -> None:
    for command in ("fmt -", "generate m.net --model W -p -"):
        done = shell(folder, command, r"< <(printf '\xff\xfe')")
        assert "standard input is not UTF-8 text" in done.stderr and done.returncode == 4


def test_a_working_folder_that_has_gone(folder: Path) -> None:
    for command in ("check m.net", "show m.net -o x.svg", "init x"):
        gone = f"mkdir -p gone && cd gone && rmdir ../gone && {sys.executable!r} -c {START!r} {command}"
        done = subprocess.run(
            ["bash", "-c", gone], cwd=folder, env=environment({}), capture_output=True, text=True, timeout=120
        )
        check_quiet(done)


READING = {
    "check FILE.net": 4,
    "train m.net --data FILE.csv": 3,
    "train m.net --data x=FILE.npy": 3,
    "eval m.net --data FILE.npz": 3,
    "predict m.net --model M --data FILE.json": 3,
    "run m.net --model M --input x=FILE.npy": 3,
    "run m.net --model M --input random --weights FILE.safetensors": 3,
    "run m.net --model M --input random --labels FILE.txt": 4,
    "generate m.net --model W --prompt ab --tokenizer FILE.json": 3,
    "generate m.net --model W --prompt ab --vocab FILE.json": 3,
}


@pytest.mark.parametrize("kind", ["it is a named pipe", "it is a device"])
@pytest.mark.parametrize("command", READING)
def test_what_may_never_end_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str
) -> None:
    monkeypatch.chdir(folder)
    name = next(word for word in command.replace("=", " ").split() if "FILE" in word)
    Path(name).unlink(missing_ok=True)
    os.mkfifo(name) if "pipe" in kind else Path(name).symlink_to("/dev/zero")
    done = netrun(*command.split())
    assert done.exit_code == READING[command] and kind in done.stderr, done.stderr


def test_a_pipe_of_the_shell_is_read(folder: Path) -> None:
    done = shell(folder, "run m.net --model M --input random", r"--labels <(printf 'a\nb\nc\n')")
    assert done.returncode == 0 and "a  " in done.stdout, done.stderr
