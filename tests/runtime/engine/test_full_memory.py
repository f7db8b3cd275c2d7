"""Memory that runs out outside of operators: at the start of training, in an update, in what is saved."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime import memory
from netruntime.engine.backends import open_device
from netruntime.engine.room import room_for
from netruntime.generation.incremental.buffer import Buffer
from netruntime.train.update.average import WeightAverage
from netruntime.train.update.optimizer_state import OptimizerState

MIB = 2**20
TEXT = """net 1.0
model M(x: f32[B, {wide}]) -> y: f32[B, {wide}] {{ return x -> fc: Linear({wide}) }}
train {{
  input label: f32[B, {wide}]
  loss = mse(y, label)
  optimizer = adam(0.01)
}}
"""


def fit(wide: int, device: str, **options: Any) -> nr.TrainResult:
    rows = np.zeros((4, wide), np.float32)
    data = {"x": rows, "label": rows}
    return nr.fit(TEXT.format(wide=wide), data, device=device, epochs=1, batch_size=4, **options)


@pytest.mark.parametrize(
    ("free", "words"),
    [
        ([64], r"E0727.: the weights need 64\.0 MiB of memory, but 64\.0 MiB are free"),
        (
            [65, 64],
            r"E0822.: the copy of the weights for training needs 64\.0 MiB of memory, but 64\.0 MiB are free",
        ),
        (
            [65],
            r"E0822.: what `adam` keeps of each weight needs 128\.0 MiB of memory, but 65\.0 MiB are free",
        ),
    ],
)
def test_training_compares_what_it_needs(
    free: list[int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weight of 4096 x 4096 takes 64 MiB; `free` is how much there is each time, at last for good."""
    left = iter(free)
    monkeypatch.setattr(memory, "free_memory", lambda: next(left, free[-1]) * MIB)
    with pytest.raises(nr.NetError, match=words):
        fit(4096, "cpu")


@pytest.mark.parametrize(
    ("owner", "method", "subject"),
    [
        (OptimizerState, "apply_gradients", "a training step"),
        (WeightAverage, "include", "a training step"),
        (WeightAverage, "__init__", "the average of the weights"),
    ],
)
def test_an_update_that_runs_out(
    owner: type, method: str, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 7 GiB")

    monkeypatch.setattr(owner, method, full)
    with pytest.raises(
        nr.DataInputError, match=f"{subject} ran out of memory: Unable to allocate 7"
    ) as caught:
        fit(4, "cpu", ema=0.9)
    assert caught.value.code == "E0822" and caught.value.diagnostics[0].help


def test_a_cache_that_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise MemoryError("Unable to allocate 7 GiB")

    net = nr.load(Path(__file__).parents[3] / "examples" / "char_gpt.net")
    monkeypatch.setattr(Buffer, "grow", full)
    with pytest.raises(nr.DataInputError, match="the generation ran out of memory: Unable") as caught:
        nr.generate(net, [1, 2], max_new=2)
    assert caught.value.code == "E0822"


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="other"), room_for("a run", open_device()):
        raise RuntimeError("other")


@contextmanager
def failing(cupy: Any, number: int) -> Iterator[Iterator[int]]:
    """Let one of the next allocations on the GPU fail: the one of this number, from 0."""
    allocate, count = cupy.cuda.get_allocator(), itertools.count()

    def limited(size: int) -> Any:
        if next(count) == number:
            raise cupy.cuda.memory.OutOfMemoryError(size, 0, 0)
        return allocate(size)

    with cupy.cuda.using_allocator(limited):
        yield count


def test_every_allocation_of_a_training_run(device: str) -> None:
    """Whichever fails, the error says what the memory was for, how much was needed, and what is free."""
    if device == "cpu":
        pytest.skip("a CPU may promise more memory than it has")
    cupy = sys.modules["cupy"]
    with failing(cupy, -1) as count:
        fit(4, device, ema=0.9)
    subjects = set()
    for number in range(next(count)):
        with failing(cupy, number), pytest.raises(nr.NetError) as caught:
            fit(4, device, ema=0.9)
        assert caught.value.code == "E0822"
        message = caught.value.diagnostics[0].message
        assert "bytes are free on cuda:0" in message
        assert "Out of memory allocating" in message or "needs 64 bytes" in message
        subjects.add(message.partition(" ran out")[0])
    outside = {
        "copy of the weights for training",
        "what `adam` keeps of each weight",
        "average of the weights",
    }
    assert {"a training step", *outside} <= {text.removeprefix("the ") for text in subjects}
    assert any(text.startswith("`") for text in subjects), "an operator is named"
