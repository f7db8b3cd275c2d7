"""Memory that runs out outside of operators: at the start of training, in an update, in what is saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime import memory
from netruntime.engine.backends import Device, open_device
from netruntime.engine.room import room_for
from netruntime.generation.incremental.buffer import Buffer
from netruntime.train.evaluation import Evaluator
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


FULL = "ran out of memory: Unable to allocate 7 GiB"


def full(*_: Any, **__: Any) -> None:
    raise MemoryError("Unable to allocate 7 GiB")


def fit(wide: int, device: str, **options: Any) -> nr.TrainResult:
    rows = np.zeros((4, wide), np.float32)
    data = {"x": rows, "label": rows}
    settings = {"epochs": 1, "batch_size": 4, **options}
    return nr.fit(TEXT.format(wide=wide), data, device=device, **settings)


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
    monkeypatch.setattr(owner, method, full)
    with pytest.raises(nr.DataInputError, match=f"{subject} {FULL}") as caught:
        fit(4, "cpu", ema=0.9)
    assert caught.value.code == "E0822" and caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    ("owner", "method", "subject"),
    [
        (OptimizerState, "restore", "the checkpoint"),
        (Evaluator, "_figures", "an evaluation"),
        (WeightAverage, "weights", "the average of the weights in their element types"),
        (Device, "fetch", "the copy of the weights to save"),
    ],
)
def test_what_surrounds_the_updates_runs_out(
    owner: type, method: str, subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.zeros((4, 4), np.float32)
    options: dict[str, Any] = {"ema": 0.9, "valid": {"x": rows, "label": rows}, "out": tmp_path}
    fit(4, "cpu", **options)
    wanted = getattr(owner, method)

    def late(*arguments: Any, **others: Any) -> Any:
        is_update = method == "fetch" and sys._getframe(1).f_code.co_name != "_fetched"
        return wanted(*arguments, **others) if is_update else full()

    monkeypatch.setattr(owner, method, late)
    with pytest.raises(nr.DataInputError, match=f"{subject} {FULL}") as caught:
        fit(4, "cpu", **{**options, "epochs": 2, "resume": True})
    assert caught.value.code == "E0822" and caught.value.diagnostics[0].help


def test_results_that_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nr.load(TEXT.format(wide=4))
    results = net.run({"x": np.zeros((4, 4), np.float32)})
    monkeypatch.setattr(net, "run", lambda inputs: results)
    monkeypatch.setattr(Device, "fetch", full)
    with pytest.raises(nr.DataInputError, match=f"the copy of the results {FULL}") as caught:
        nr.predict(net, {"x": np.zeros((4, 4), np.float32)})
    assert caught.value.code == "E0822"


def test_a_cache_that_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nr.load(Path(__file__).parents[3] / "examples" / "char_gpt.net")
    monkeypatch.setattr(Buffer, "grow", full)
    with pytest.raises(nr.DataInputError, match=f"the generation {FULL}") as caught:
        nr.generate(net, [1, 2], max_new=2)
    assert caught.value.code == "E0822"


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="other"), room_for("a run", open_device()):
        raise RuntimeError("other")
