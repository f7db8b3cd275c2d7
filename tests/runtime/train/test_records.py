"""The log of a run, line by line, and what TensorBoard reads of one."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netruntime.errors import MissingExtraError, TrainingError
from netruntime.train.events import EpochEvent, StepEvent
from netruntime.train.logs.jsonl import MetricsLog, read_log
from netruntime.train.logs.tensorboard import TensorBoardLog


def step_event(step: int, epoch: int = 0, loss: float = 0.5, **metrics: Any) -> StepEvent:
    return StepEvent(step, epoch, "", loss, metrics, 1e-3, 2.0, step / 10, 32)


def epoch_event(epoch: int, step: int, **valid: Any) -> EpochEvent:
    return EpochEvent(epoch, step, {"": {"loss": 0.5}}, {"": valid} if valid else {}, best=True, seconds=1.0)


def record(log: Any, first: int, last: int) -> None:
    """Steps `first` to `last`, three to an epoch."""
    for step in range(first, last + 1):
        log.on_step(step_event(step, (step - 1) // 3, loss=1 / step))
        if step % 3 == 0:
            log.on_epoch(epoch_event(step // 3 - 1, step, loss=0.25, accuracy=step / 100))


def test_lines_are_json_and_there_at_once(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "run" / "metrics.jsonl")
    log.on_step(step_event(1, loss=float("nan"), accuracy=np.float64(0.5), table=np.eye(2)))
    log.on_epoch(epoch_event(0, 1, loss=float("inf")))
    raw = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert "NaN" not in raw and "Infinity" not in raw
    first, second = map(json.loads, raw.splitlines())
    assert first == {
        "kind": "step",
        "step": 1,
        "epoch": 0,
        "phase": "",
        "loss": None,
        "metrics": {"accuracy": 0.5, "table": [[1.0, 0.0], [0.0, 1.0]]},
        "lr": 1e-3,
        "grad_norm": 2.0,
        "seconds": 0.1,
        "samples": 32,
    }
    assert second["valid"] == {"": {"loss": None}} and second["best"] is True
    log.close()


@pytest.mark.parametrize("stopped", range(1, 10))
def test_a_resumed_log_is_as_if_never_stopped(tmp_path: Path, stopped: int) -> None:
    """The run got to step 9, and goes on from a checkpoint of step `stopped`, epochs ended or not."""
    whole, resumed = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    for path in (whole, resumed):
        log = MetricsLog(path)
        record(log, 1, 9)
        log.close()
    with resumed.open("ab") as stream:
        stream.write(b'{"kind": "step", "st')
    log = MetricsLog(resumed, step=stopped, epoch=stopped // 3)
    assert [line["step"] for line in read_log(resumed) if line["kind"] == "step"][-1] == stopped
    record(log, stopped + 1, 9)
    log.close()
    assert resumed.read_bytes() == whole.read_bytes()


def test_an_epoch_that_ended_after_its_last_step_was_saved_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    record(log, 1, 3)
    log.close()
    whole = path.read_bytes()
    log = MetricsLog(path, step=3, epoch=0)
    assert [line["kind"] for line in read_log(path)] == ["step"] * 3
    log.on_epoch(epoch_event(0, 3, loss=0.25, accuracy=0.03))
    log.close()
    assert path.read_bytes() == whole


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "step", "step": 1}\n{"kind": "epoch", "epoch": 0}\n')
    MetricsLog(path).close()
    assert path.read_bytes() == b""


def test_a_damaged_line_in_the_middle_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n\xff\xfe\n[]\n{"step": 2}\n{"step": 3}\n')
    MetricsLog(path, step=2, epoch=1).close()
    assert path.read_bytes() == b'{"step": 1}\n\xff\xfe\n[]\n{"step": 2}\n'
    assert [line["step"] for line in read_log(path)] == [1, 2]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files of this process may not grow beyond `size` bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_log_that_cannot_grow(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.on_step(step_event(1))
    with largest_file(200), pytest.raises(TrainingError, match=r"metrics\.jsonl`: File too large") as caught:
        log.on_step(step_event(2))
    assert caught.value.code == "E1052"
    log.close()
    MetricsLog(tmp_path / "metrics.jsonl", step=2, epoch=1).close()
    assert [line["step"] for line in read_log(tmp_path / "metrics.jsonl")] == [1]


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="it is a folder") as caught:
        MetricsLog(tmp_path)
    assert caught.value.code == "E1052"


def test_tensorboard_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r"pip install .netdsl\[tensorboard\]."):
        TensorBoardLog(tmp_path)


def tensorboard_run(folder: Path) -> None:
    pytest.importorskip("tensorboardX", reason="pip install netdsl[tensorboard]")
    log = TensorBoardLog(folder)
    record(log, 1, 9)
    log.on_step(step_event(10, 3, table=np.eye(2)))
    log.close()


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    reason = "TensorBoard is not installed: pip install tensorboard"
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    tensorboard_run(tmp_path)
    log = TensorBoardLog(tmp_path, step=4)
    record(log, 5, 6)
    log.close()
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    tags = {"train/loss", "train/lr", "train/grad_norm", "epoch/loss", "valid/loss", "valid/accuracy"}
    assert set(events.Tags()["scalars"]) == tags
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(step, pytest.approx(1 / step)) for step in range(1, 7)]
    accuracy = [(event.step, event.value) for event in events.Scalars("valid/accuracy")]
    assert accuracy == [(3, pytest.approx(0.03)), (6, pytest.approx(0.06))]
