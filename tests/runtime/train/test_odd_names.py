"""Training with names that are not UTF-8: of the data, of classes, of the folder of the run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import netruntime as nr

pillow = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8 there")
NET = """net 1.0

model P(image: f32[B, 1, 4, 4]) -> logits: f32[B, 2] {
  return image -> flatten -> fc: Linear(2)
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  epochs = 1
}
"""


def test_classes_and_folders(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff")
    for name in (odd, "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(4):
            pillow.new("L", (4, 4), 20 * n).save(tmp_path / "photos" / name / f"{n}.png")
    (tmp_path / f"{odd}.net").write_text(NET)
    out = tmp_path / f"run{odd}"
    trained = nr.fit(tmp_path / f"{odd}.net", tmp_path / "photos", out=out)
    again = nr.fit(tmp_path / f"{odd}.net", tmp_path / "photos", out=out, resume=True, epochs=2)
    assert (trained.step, again.step) == (1, 2)
    assert len(nr.predict(out, tmp_path / "photos" / "b").rows) == 4
    assert set(json.loads((out / "classes.json").read_text())) == {odd, "b"}
