"""`netrun train` on what a run left behind, and on files that say little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import netrun

import netruntime as nr

SOURCE = """net 1.0
model M(x: f32[B, 3]) -> logits: f32[B, 2] { return x -> fc: Linear(2) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("m.net").write_text(SOURCE)
    x = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    np.savez("rows.npz", x=x, label=(x[:, 0] > 0).astype(np.int32))
    return tmp_path


def test_a_rate_can_be_set_where_the_section_names_no_optimizer(here: Path) -> None:
    done = netrun("train", "m.net", "--data", "rows.npz", "--lr", "0.25", "--epochs", "1", "--out", "r")
    assert done.exit_code == 0, done.output
    assert json.loads(Path("r/metrics.jsonl").read_text().splitlines()[0])["lr"] == 0.25


def test_a_rate_can_be_set_before_the_optimizer_it_is_of(here: Path) -> None:
    words = ["--train", "optimizer.lr=0.25", "--train", "optimizer=sgd(0.5)", "--epochs", "1", "--out", "r"]
    netrun("train", "m.net", "--data", "rows.npz", *words)
    assert json.loads(Path("r/metrics.jsonl").read_text().splitlines()[0])["lr"] == 0.5


def test_a_run_with_nothing_left_says_so(here: Path) -> None:
    words = ["train", "m.net", "--data", "rows.npz", "--epochs", "2", "--out", "r", "--plain"]
    netrun(*words)
    again = netrun(*words, "--resume")
    assert again.exit_code == 0
    assert "nothing is left to train at step 2, after epoch 2 of 2" in again.stderr


def test_a_resumed_run_does_not_need_the_weights_it_began_with(here: Path) -> None:
    nr.load("m.net").save("first.safetensors")
    words = [
        "train",
        "m.net",
        "--data",
        "rows.npz",
        "--out",
        "r",
        "--plain",
        "--weights",
        "first.safetensors",
    ]
    netrun(*words, "--epochs", "1")
    Path("first.safetensors").unlink()
    again = netrun(*words, "--epochs", "2", "--resume")
    assert again.exit_code == 0, again.output
    assert "are read from" not in again.stderr


def test_a_metric_named_as_in_the_file_is_told_how(here: Path) -> None:
    done = netrun("train", "m.net", "--data", "rows.npz", "--train", "metric loss2=mean(logits)")
    assert done.exit_code == 2
    assert "write metric.loss2=.." in done.stderr


def test_a_stop_at_the_end_of_an_epoch_saves_once(here: Path) -> None:
    class Stops:
        def on_step(self, event: object) -> None:
            """Nothing."""

        def on_epoch(self, event: object) -> None:
            run.loop.stop_asked = True

    from netruntime.train.run import Request, prepare

    with prepare(Request("m.net", "rows.npz", out=Path("r"), settings={"epochs": 3}), [Stops()]) as run:
        run.loop.run()
    assert [path.name for path in Path("r/checkpoints").glob("step-*")] == ["step-00000001"]
