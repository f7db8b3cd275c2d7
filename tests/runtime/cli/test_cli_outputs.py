"""An output never replaces what a command reads, nor anything but an ordinary file, and fails as a whole."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import netrun, write

import netruntime as nr
from netruntime.files.atomic import write_bytes

M = """net 1.0

import "parts.net"

model M(x: f32[B, 4]) -> logits: f32[B, 3] {
  return x -> Head
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
}
"""
PARTS = """net 1.0

block Head(x: f32[B, 4]) -> f32[B, 3] {
  return x -> fc: Linear(3)
}
"""
ROWS = "x_0,x_1,x_2,x_3,label\n1,2,3,4,0\n1,2,3,4,1\n4,3,2,1,2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, "m.net", M)
    write(tmp_path, "parts.net", PARTS)
    write(tmp_path, "d.csv", ROWS)
    np.savez(tmp_path / "x.npz", x=np.ones((2, 4), np.float32), label=np.zeros(2, np.int32))
    nr.load(tmp_path / "m.net").save(tmp_path / "w.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spellings(file: Path) -> list[str]:
    """Names of one file: its own, relative and absolute ones, a link and a hard link."""
    link, hard = file.with_name(f"link-{file.name}"), file.with_name(f"hard-{file.name}")
    link.symlink_to(file.name)
    os.link(file, hard)
    return [file.name, f"./../{file.parent.name}/{file.name}", str(file), link.name, hard.name]


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
@pytest.mark.parametrize(
    ("read", "command"),
    [
        ("m.net", "show m.net --graph svg -o OUT"),
        ("x.npz", "run m.net --input x.npz:x --save OUT"),
        ("x.npz", "run m.net --input x=x.npz:x --save OUT"),
        ("x.npz", "run m.net --input x=./x.npz:x --save OUT"),
        ("w.npz", "run m.net --input random --weights w.npz --save OUT"),
        ("w.npz", "predict m.net --data d.csv --weights w.npz --out OUT"),
        ("x.npz", "predict m.net --data x.npz --out OUT"),
        ("d.csv", "predict m.net --data d.csv --out OUT"),
        ("d.csv", "predict m.net --data d*.csv --out OUT"),
        ("d.csv", "predict m.net --data . --out OUT"),
    ],
)
def test_no_input_is_replaced(folder: Path, read: str, command: str) -> None:
    before = (folder / read).read_bytes()
    for name in spellings(folder / read):
        result = netrun(*command.replace("OUT", name).split())
        assert result.exit_code == 2 and "E0925" in result.stderr, (name, result.stderr)
        assert "would replace" in result.stderr
    assert (folder / read).read_bytes() == before


def test_no_import_is_replaced(folder: Path) -> None:
    for command in ("show m.net --graph svg -o parts.net", "show m.net --graph svg -o link.svg"):
        (folder / "link.svg").unlink(missing_ok=True)
        (folder / "link.svg").symlink_to("parts.net")
        result = netrun(*command.split())
        assert result.exit_code == 2 and "E0925" in result.stderr
    assert (folder / "parts.net").read_text() == PARTS


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("best.safetensors", "--data d.csv --weights run/best.safetensors"),
        ("metrics.jsonl", "--data d.csv --weights run/../run/LAST"),
        ("classes.json", "--data run/classes.json"),
    ],
)
def test_no_input_of_a_run_is_replaced(folder: Path, name: str, command: str) -> None:
    run = folder / "run"
    run.mkdir()
    nr.load(folder / "m.net").save(run / "last.safetensors")
    nr.load(folder / "m.net").save(run / "best.safetensors")
    write(run, "classes.json", '{"x": [[1, 2, 3, 4]], "label": [0]}')
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    words = command.replace("LAST", "last.safetensors").split()
    result = netrun("train", "m.net", *words, "--out", "run", "--epochs", "1")
    assert result.exit_code == 3 and "E1056" in result.stderr, result.stderr
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


OUTPUTS = {
    "svg": "show m.net --graph svg -o OUT",
    "npz": "run m.net --input random --save OUT.npz",
    "npy": "run m.net --input random --save OUT.npy",
    "json": "run m.net --input random --save OUT.json",
    "csv": "predict m.net --data d.csv --out OUT.csv",
    "jsonl": "predict m.net --data d.csv --out OUT.jsonl",
    "net": "init OUT.net --force",
}


def target(command: str) -> Path:
    return Path(next(word for word in command.split() if word.startswith("OUT")))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_only_files_are_replaced(folder: Path, command: str) -> None:
    path = target(command)
    with socket.socket(socket.AF_UNIX) as server:
        for make in (lambda: os.mkfifo(path), path.mkdir, lambda: server.bind(str(path))):
            make()
            kind = stat.S_IFMT(path.lstat().st_mode)
            result = netrun(*command.split())
            assert result.exit_code == 4 and "E0941" in result.stderr, result.stderr
            assert stat.S_IFMT(path.lstat().st_mode) == kind
            path.rmdir() if stat.S_ISDIR(kind) else path.unlink()
    path.symlink_to(os.devnull)
    result = netrun(*command.split())
    assert result.exit_code == 4 and "it is a device" in result.stderr
    assert path.is_symlink() and stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    path.unlink()
    path.symlink_to(path.name)
    assert netrun(*command.split()).exit_code == 4


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_a_full_disk_leaves_the_older_file(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = target(command)
    path.write_text("older")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = netrun(*command.split())
    assert result.exit_code == 4 and "No space left on device" in result.stderr
    assert path.read_text() == "older"
    assert not list(folder.glob(".*.tmp"))


def test_a_read_only_file_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    write(folder, "out.svg", "older")
    result = netrun("show", "m.net", "-o", "out.svg")
    assert result.exit_code == 4 and "it is read-only" in result.stderr
    assert (folder / "out.svg").read_text() == "older"


def test_names_that_no_system_takes(folder: Path) -> None:
    for name in ("x" * 300 + ".npy", "no/such/folder/x.npy"):
        result = netrun("run", "m.net", "--input", "random", "--save", name)
        assert result.exit_code == 4 and "E0941" in result.stderr


def test_python_replaces_only_files(tmp_path: Path) -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B, 4]) -> y: f32[B, 3] { return x -> fc: Linear(3) }\n")
    (tmp_path / "w.npz").mkdir()
    for name in ("w.npz", "no/w.npz", "w\0.npz"):
        with pytest.raises(nr.WeightsError) as failed:
            net.save(tmp_path / name)
        assert failed.value.code == "E0715"
    with pytest.raises(OSError, match="device"):
        write_bytes(Path(os.devnull), b"")
