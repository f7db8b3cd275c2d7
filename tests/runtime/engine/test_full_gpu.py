"""Memory of a GPU that runs out: whichever allocation fails, the error is ours and says what it was for."""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr

EXAMPLES = Path(__file__).parents[3] / "examples"
TEXT = """net 1.0
model M(x: f32[B, 4]) -> y: f32[B, 4] { return x -> fc: Linear(4) }
train {
  input label: f32[B, 4]
  loss = mse(y, label)
  metric error = mse(y, label)
  optimizer = adam(0.01)
}
"""
SHORT = """net 1.0
model M(x: f16[B, 4]) -> y: f16[B, 4] { return x -> fc: Linear(4) }
train {
  input label: f16[B, 4]
  loss = mse(y, label)
}
"""
MIXED = """net 1.0
model M(x: f16[B, 4], ids: i32[B, 2]) -> (y: bf16[B, 2, 5], z: f16[B, 4]) {
  return ids -> table: Embedding(9, 5) -> cast(bf16), x -> relu
}
"""
ROWS = np.zeros((4, 4), np.float32)
DATA = {"x": ROWS, "label": ROWS}


@contextmanager
def failing(number: int) -> Iterator[Iterator[int]]:
    """Let one of the next allocations on the GPU fail: the one of this number, from 0."""
    cupy: Any = sys.modules["cupy"]
    allocate, count = cupy.cuda.get_allocator(), itertools.count()

    def limited(size: int) -> Any:
        if next(count) == number:
            raise cupy.cuda.memory.OutOfMemoryError(size, 0, 0)
        return allocate(size)

    with cupy.cuda.using_allocator(limited):
        yield count


@cache
def on_device(dtype: str) -> Any:
    """Rows that are on the GPU before memory runs out."""
    return sys.modules["cupy"].asarray(ROWS[:2].astype(dtype))


def train(folder: Path) -> None:
    nr.fit(TEXT, DATA, device="cuda", epochs=1, batch_size=4, ema=0.9)


def resume(folder: Path) -> None:
    """The second epoch of a run in 16 bits, with validation and checkpoints."""
    begun, rows = folder / "begun", {name: array.astype("f2") for name, array in DATA.items()}
    options: dict[str, Any] = {"device": "cuda", "batch_size": 4, "ema": 0.9, "valid": rows}
    if not begun.exists():
        nr.fit(SHORT, rows, epochs=1, out=begun, **options)
    again = Path(tempfile.mkdtemp(dir=folder)) / "again"
    shutil.copytree(begun, again)
    nr.fit(SHORT, rows, epochs=2, out=again, resume=True, **options)


def evaluate(folder: Path) -> None:
    nr.evaluate(TEXT, DATA, device="cuda", batch_size=2)


def predict(folder: Path) -> None:
    nr.predict(TEXT, {"x": ROWS}, device="cuda", batch_size=2)


def run(folder: Path) -> None:
    """Inputs that are narrowed on the host and on the device, indices that are checked late, bf16."""
    net = nr.load(MIXED, device="cuda")
    ids = np.array([[0, 8], [1, 2]])
    net(x=ROWS[:2], ids=ids)
    net(x=on_device("f8"), ids=ids)


def generate(folder: Path) -> None:
    net = nr.load(EXAMPLES / "char_lstm.net", EXAMPLES / "char_lstm.safetensors", device="cuda")
    nr.generate(net, [1, 2], max_new=2, beams=2)


WORK: dict[Callable[[Path], None], set[str]] = {
    train: {
        "the copy of the weights for training",
        "what `adam` keeps of each weight",
        "the average of the weights",
        "a training step",
    },
    resume: {
        "the copy of the weights for training",
        "the checkpoint",
        "the average of the weights in their element types",
    },
    evaluate: {"the copy of the weights for the evaluation"},
    predict: {"the weights, 80 bytes in all, do not fit in memory"},
    run: {"the weights, 180 bytes in all, do not fit in memory", "a run"},
    generate: {"the generation"},
}
"""What is done on the device, and what at least is named when an allocation fails."""


@pytest.mark.parametrize("device", ["cuda"], indirect=True)
@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_every_allocation(work: Callable[[Path], None], device: str, tmp_path: Path) -> None:
    work(tmp_path)
    with failing(-1) as count:
        work(tmp_path)
    subjects = set()
    for number in range(next(count)):
        with failing(number), pytest.raises(nr.NetError) as caught:
            work(tmp_path)
        assert caught.value.code in ("E0822", "E0727")
        (diagnostic,) = caught.value.diagnostics
        message = diagnostic.message
        assert "bytes are free on cuda:0" in message and diagnostic.help
        assert "Out of memory allocating" in message or "do not fit in memory" in message
        subjects.add(message.partition(" ran out")[0].partition(":")[0])
    assert WORK[work] <= subjects
    named = {start for start in ("`", "the input `") if any(text.startswith(start) for text in subjects)}
    assert work is generate or len(named) == 2, "an operator and an input"
