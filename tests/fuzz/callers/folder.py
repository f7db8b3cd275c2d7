"""A folder of small files that the commands can read: models, data, weights, a trained run."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np

import netruntime as nr

NET = """net 1.0

import "parts.net"

config { width: int = 4 }

model M(x: f32[B, 4]) -> logits: f32[B, 3] {
  return x -> fc: Linear(width) -> Head
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  epochs = 1
  batch_size = 2
}

test "zeros" {
  y = M(zeros([2, 4]))
  expect y is f32[2, 3]
}
"""
PARTS = "net 1.0\n\nblock Head(x: f32[B, N]) -> f32[B, 3] {\n  return x -> out: Linear(3)\n}\n"
WRITER = """net 1.0

model W(ids: i32[B, T]) -> logits: f32[B, T, 8] {
  return ids -> embed: Embedding(8, 4) -> out: Linear(8)
}
"""
WRONG = "net 1.0\n\nmodel M(x: f32[B, 4]) {\n  return x -> rellu -> Linear(\n}\n"
ROWS = "x_0,x_1,x_2,x_3,label\n1,2,3,4,0\n1,2,3,4,1\n4,3,2,1,2\n"


@cache
def template() -> Path:
    """The files, made once."""
    folder = Path(tempfile.mkdtemp())
    texts = {"m.net": NET, "parts.net": PARTS, "w.net": WRITER, "wrong.net": WRONG, "d.csv": ROWS}
    for name, text in (texts | {"stdin.txt": NET, "labels.txt": "a\nb\nc\n"}).items():
        (folder / name).write_text(text, "utf-8")
    (folder / "vocab.json").write_text('["a", "b", "c", "d", "e", "f", "g", "h"]')
    x, label = np.ones((4, 4), np.float32), np.arange(4, dtype=np.int32) % 3
    np.savez(folder / "d.npz", x=x, label=label)
    np.save(folder / "x.npy", x)
    nr.load(folder / "m.net").save(folder / "w.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nr.fit(folder / "m.net", folder / "d.npz", out=folder / "run")
    return folder


def fill(folder: Path) -> None:
    """Put the files into a folder."""
    shutil.copytree(template(), folder, dirs_exist_ok=True)
