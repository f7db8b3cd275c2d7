"""Assumptions about free sizes in `netrun check`, and what a run with other sizes says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import netrun, netrun_json, write

import netruntime
from netruntime.errors import DataInputError

TEXT = """net 1.0

model M(x: f32[B, T, 64]) -> y: f32[B, T, 64] {
  return x -> pos: LearnedPositions(8)
}
"""


def test_check_notes_what_a_model_assumes(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", TEXT)
    result = netrun("check", path)
    assert result.exit_code == 0
    assert f"note: M assumes T <= 8 ({path}:4)" in result.stderr


def test_strict_fails_with_a_code(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", TEXT)
    result = netrun("check", path, "--strict")
    assert result.exit_code == 1
    assert "error[E0253]: `M` assumes that T <= 8" in result.stderr
    fixed = write(tmp_path, "fixed.net", TEXT.replace("T", "8"))
    assert netrun("check", fixed, "--strict").exit_code == 0
    assert "state it in `M`: `assert T <= 8`" in result.stderr
    stated = write(tmp_path, "stated.net", TEXT.replace("return", "assert T <= 8\n  return"))
    result = netrun("check", stated, "--strict")
    assert result.exit_code == 0
    assert f"note: M asserts T <= 8 ({stated}:4)" in result.stderr
    assert netrun_json("check", stated)["files"][0]["assumptions"][0]["stated"] is True


def test_json_lists_them(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", TEXT)
    (one,) = netrun_json("check", path)["files"][0]["assumptions"]
    assert one == {
        "code": "E0253",
        "model": "M",
        "condition": "T <= 8",
        "stated": False,
        "file": str(path),
        "line": 4,
        "column": 20,
    }


def test_a_run_names_the_condition_and_the_line(tmp_path: Path) -> None:
    net = netruntime.load(write(tmp_path, "m.net", TEXT))
    assert [str(one.condition) for one in net.assumptions] == ["T <= 8"]
    assert net(x=np.zeros((2, 8, 64), "f4")).shape == (2, 8, 64)
    with pytest.raises(DataInputError) as raised:
        net(x=np.zeros((2, 9, 64), "f4"))
    (one,) = raised.value.diagnostics
    assert one.code == "E0853" and one.span is not None and one.span.line == 4
    assert "T <= 8, but T is 9" in one.message


def test_a_run_names_the_assertion_and_its_message(tmp_path: Path) -> None:
    text = TEXT.replace("return", 'assert T <= 6 and T != 3, "six at most"\n  return')
    net = netruntime.load(write(tmp_path, "m.net", text))
    assert net(x=np.zeros((2, 6, 64), "f4")).shape == (2, 6, 64)
    with pytest.raises(DataInputError, match=r"E0853.*`M` asserts that T <= 6, but T is 7: six at most"):
        net(x=np.zeros((2, 7, 64), "f4"))
    with pytest.raises(DataInputError, match=r"E0853.*`M` asserts that T != 3, but T is 3"):
        net(x=np.zeros((2, 3, 64), "f4"))


TRAIN = """net 1.0

model M(x: f32[B, T, 4]) -> y: f32[B, T, 1] {
  assert T <= 6
  return x -> out: Linear(1)
}

train {
  input target: f32[B, T, 1]
  loss = mse(y, target)
  optimizer = sgd(lr=0.1)
  epochs = 1
}
"""


@pytest.mark.parametrize("command", ["train", "eval", "predict"])
def test_commands_that_read_data_check_assertions(tmp_path: Path, command: str) -> None:
    path = write(tmp_path, "m.net", TRAIN)
    for length in (6, 7):
        np.save(tmp_path / "x.npy", np.zeros((4, length, 4), "f4"))
        np.save(tmp_path / "t.npy", np.zeros((4, length, 1), "f4"))
        data = f"x={tmp_path}/x.npy" + ("" if command == "predict" else f" target={tmp_path}/t.npy")
        out = {"train": ["--out", tmp_path / f"run{length}"], "predict": ["-o", tmp_path / f"{length}.npz"]}
        result = netrun(command, path, "--data", data, *out.get(command, []))
        assert (result.exit_code == 0) is (length == 6), result.stderr
    assert "error[E0853]" in result.stderr and "asserts that T <= 6, but T is 7" in result.stderr
