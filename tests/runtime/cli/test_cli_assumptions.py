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


def test_json_lists_them(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", TEXT)
    (one,) = netrun_json("check", path)["files"][0]["assumptions"]
    assert one == {
        "code": "E0253",
        "model": "M",
        "condition": "T <= 8",
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
