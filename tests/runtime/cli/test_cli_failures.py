"""Failures as words and exit codes, and processes that end early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_line import ROOT, SCORES, START, environment, netrun, netrun_json, start, write

from netdsl.diagnostics import Diagnostic, NetError
from netruntime import DataInputError, DeviceError, MissingExtraError, WeightsError
from netruntime.cli.common.failures import EXIT_CODES, exit_code, file_error, guarded, usage_error
from netruntime.cli.common.output import paint, visible

LENET = ROOT / "examples" / "lenet5.net"


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (NetError(Diagnostic("E0201", "a name")), 1),
        (NetError(Diagnostic("E0861", "which model")), 2),
        (NetError(Diagnostic("E0613", "no text")), 4),
        (usage_error("E0920", "an option"), 2),
        (file_error("E0940", "a file"), 4),
        (DataInputError.make("E0801", "a shape"), 3),
        (WeightsError.make("E0701", "weights"), 3),
        (DeviceError.make("E0911", "a device"), 4),
        (MissingExtraError.make("E0901", "a package"), 4),
    ],
)
def test_each_family_has_its_exit_code(failed: NetError, code: int) -> None:
    assert exit_code(failed) == code
    assert code in EXIT_CODES


def fail(error: BaseException) -> int:
    def call() -> None:
        raise error

    return guarded(call, ["run"])


def test_a_bug_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(ZeroDivisionError("division by zero\nmore")) == 70
    assert (
        "error[E0999]: netrun itself failed: ZeroDivisionError: division by zero\n" in capsys.readouterr().err
    )


def test_a_bug_shows_its_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRUN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())


def test_memory_that_runs_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(MemoryError()) == 4
    assert "there is not enough memory" in capsys.readouterr().err
    assert fail(WeightsError.make("E0727", "the weights do not fit")) == 4
    assert fail(DataInputError.make("E0822", "`zeros` ran out of memory")) == 4
    assert fail(DataInputError.make("E0820", "`zeros` cannot give that")) == 3


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()])
def test_interruption(stop: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(stop) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    "command",
    [
        ["frobnicate"],
        ["check"],
        ["check", LENET, "--frobnicate"],
        ["run", LENET, "--top", "0"],
        ["run", LENET, "--seed", "-1"],
        ["show", LENET, "--depth", "x"],
        ["completion", "tcsh"],
        ["init", "--kind", "gru"],
    ],
)
def test_misuse_is_2_and_json_where_asked(command: list[object]) -> None:
    result = netrun(*command)
    assert result.exit_code == 2
    assert result.stdout == "" and "netrun" in result.stderr and "--help" in result.stderr
    document = netrun_json(*command)
    assert document["ok"] is False
    assert document["diagnostics"][0]["code"] == "E0900"


class TestColour:
    def test_parts_are_painted(self) -> None:
        text = "error[E0201]: a name\n  --> m.net:1:2\n 1 | ab\n   |  ^ here\n   = help: more"
        lines = paint(text, "error").split("\n")
        assert lines[0] == "\x1b[31m\x1b[1merror[E0201]\x1b[0m\x1b[1m: a name\x1b[0m"
        assert lines[3].endswith("\x1b[31m\x1b[1m^ here\x1b[0m")
        assert all("\x1b[34m" in line for line in lines[1:])
        assert click.unstyle(paint(text, "error")) == text

    def test_none_away_from_a_terminal(self, tmp_path: Path) -> None:
        assert "\x1b" not in start("check", tmp_path / "none.net").stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
    @pytest.mark.parametrize(("extra", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
    @pytest.mark.parametrize("command", [["check", "none.net"], ["show", str(LENET)]])
    def test_on_a_terminal_unless_refused(
        self, extra: dict[str, str], coloured: bool, command: list[str]
    ) -> None:
        assert (b"\x1b[3" in on_a_terminal(command, extra)) is coloured

    def test_control_characters_are_made_harmless(self) -> None:
        assert visible("a\x1b[31mb\x9bc\td\n") == "a\ufffd[31mb\ufffdc\td\n"


HEED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell's background job, and what it starts, ignores Ctrl-C; the process under test must not."""


def on_a_terminal(command: list[str], extra: dict[str, str]) -> bytes:
    """What a command writes to a terminal."""
    master, terminal = os.openpty()
    env = {**environment(extra), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-c", START, *command], stdin=terminal, stdout=terminal, stderr=terminal, env=env
    )
    os.close(terminal)
    written = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # how Linux tells the end
            break
        if not part:
            break
        written += part
    process.wait(timeout=120)
    os.close(master)
    return written


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither pipes nor signals of this kind")
class TestProcesses:
    def test_a_reader_that_leaves(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", START, "run", str(LENET), "-i", "random"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment({}),
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        with process:
            errors = process.stderr.read()
        assert process.returncode == 141
        assert b"Broken" not in errors and b"Traceback" not in errors

    def test_control_c(self, tmp_path: Path) -> None:
        path = write(tmp_path, "scores.net", SCORES)
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{HEED}; print('ready', flush=True); {START}",
                "run",
                str(path),
                "-i",
                "-",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment({}),
        )
        assert process.stdout is not None and process.stderr is not None
        with process:
            process.stdout.readline()
            wait_until_it_reads(process.pid)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=120)
        assert (process.returncode, output, errors.strip()) == (130, b"", b"interrupted")

    def test_one_json_document_on_standard_output(self) -> None:
        done = start("run", LENET, "-i", "random", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["ok"] is True
        assert "note: the weights are read from" in done.stderr


def wait_until_it_reads(pid: int) -> None:
    """Wait until the process sleeps in a read of its standard input (Linux tells; elsewhere, a while)."""
    import time

    state = Path(f"/proc/{pid}/wchan")
    for _ in range(600):
        time.sleep(0.05)
        if state.exists() and "pipe" in state.read_text():
            return
    if state.exists():
        pytest.fail("netrun never read its standard input")


@pytest.mark.parametrize("folder", [".", "..", "/"])
@pytest.mark.parametrize("command", ["run", "predict", "eval", "show", "generate"])
def test_a_folder_in_place_of_a_file_is_an_error_of_ours(command: str, folder: str, tmp_path: Path) -> None:
    options = {"run": ["--input", "random"], "show": [], "generate": []}
    data = options.get(command, ["--data", str(tmp_path / "d.npz")])
    result = netrun(command, folder, *data)
    assert result.exit_code not in (0, 70)
    assert "E0999" not in result.stderr
