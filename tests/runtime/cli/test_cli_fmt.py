"""`netrun fmt`: what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import netrun, netrun_json, start, write

UGLY = "net 1.0\nmodel   A(x: f32[B]) -> f32[B] {return x}\n"
NEAT = "net 1.0\n\nmodel A(x: f32[B]) -> f32[B] { return x }\n"


def test_a_file_is_rewritten_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    result = netrun("fmt", path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"reformatted {path}\n")
    assert path.read_text() == NEAT
    again = netrun("fmt", path)
    assert (again.exit_code, again.output) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows files have no such modes")
def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    path.chmod(0o751)
    netrun("fmt", path)
    assert path.stat().st_mode & 0o7777 == 0o751


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    link = tmp_path / "link.net"
    link.symlink_to(path)
    netrun("fmt", link)
    assert link.is_symlink() and path.read_text() == NEAT


def test_check_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    result = netrun("fmt", "--check", path)
    assert (result.exit_code, result.stderr) == (1, f"would reformat {path}\n")
    assert path.read_text() == UGLY
    assert netrun("fmt", "--check", write(tmp_path, "b.net", NEAT)).exit_code == 0


def test_diff_shows_and_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    result = netrun("fmt", "--diff", path)
    assert result.exit_code == 0
    assert "-model   A(x: f32[B]) -> f32[B] {return x}\n" in result.stdout
    assert "+model A(x: f32[B]) -> f32[B] { return x }\n" in result.stdout
    assert path.read_text() == UGLY
    assert netrun("fmt", "--diff", "--check", path).exit_code == 1


def test_a_dash_is_standard_input_and_output() -> None:
    result = netrun("fmt", "-", input=UGLY)
    assert (result.exit_code, result.stdout, result.stderr) == (0, NEAT, "")
    checked = netrun("fmt", "-", "--check", input=UGLY)
    assert (checked.exit_code, checked.stdout) == (1, "")


def test_text_that_does_not_parse_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY + "model\n")
    result = netrun("fmt", path)
    assert result.exit_code == 1
    assert "error[E0108]" in result.stderr and "a.net:3:" in result.stderr
    assert path.read_text() == UGLY + "model\n"


def test_one_bad_file_does_not_keep_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    result = netrun("fmt", tmp_path / "none.net", path)
    assert result.exit_code == 4
    assert "there is no file" in result.stderr
    assert path.read_text() == NEAT


def test_json_lists_what_changed(tmp_path: Path) -> None:
    paths = write(tmp_path, "a.net", UGLY), write(tmp_path, "b.net", NEAT)
    document = netrun_json("fmt", *paths)
    assert document == {"ok": True, "changed": [str(paths[0])], "diagnostics": []}


def test_json_and_standard_output_exclude_each_other() -> None:
    result = netrun("fmt", "-", "--json", input=UGLY)
    assert result.exit_code == 2
    assert json.loads(result.stdout)["diagnostics"][0]["code"] == "E0920"


def test_standard_input_that_is_no_text() -> None:
    result = netrun("fmt", "-", input=b"net 1.0\n\xff")
    assert result.exit_code == 4
    assert "standard input is not UTF-8 text: byte 8" in result.stderr


def test_a_write_that_fails_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.net", UGLY)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("netruntime.files.atomic.os.fsync", full)
    result = netrun("fmt", path)
    assert result.exit_code == 4
    assert f"cannot write `{path}`: No space left on device" in result.stderr
    assert path.read_text() == UGLY
    assert [p.name for p in tmp_path.iterdir()] == ["a.net"]


def test_formatting_as_a_process_keeps_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "a.net", UGLY)
    assert start("fmt", path).returncode == 0
    assert path.read_bytes() == NEAT.encode()


@pytest.mark.parametrize("command", ["fmt", "check"])
def test_standard_input_is_limited_as_files_are(command: str) -> None:
    result = netrun(command, "-", input="#\n" * 500_001)
    assert result.exit_code == 1 and "error[E0601]" in result.stderr and "1,000,000 bytes" in result.stderr
