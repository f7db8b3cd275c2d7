"""`netrun train`, `eval` and `predict`: from files to weights, figures and answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import netrun

import netruntime as nr

NET = """net 1.0

model Small(x: f32[B, 4]) -> logits: f32[B, 3] {
  return x -> fc1: Linear(8) -> tanh -> fc2: Linear(3)
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
  metric confusion = confusion_matrix(logits, label)
  optimizer = adam(lr=0.02)
  epochs = 8
}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.net").write_text(NET)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 4)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=x, label=x[:, :3].argmax(axis=1))
    return tmp_path


def trained(*more: str) -> Any:
    result = netrun("train", "small.net", "--data", "rows.npz", "--holdout", "0.25", *more)
    assert result.exit_code == 0, result.stderr
    return result


def test_a_run_leaves_what_is_needed(here: Path) -> None:
    result = trained("--plain")
    assert "epoch 8/8" in result.stdout and "valid accuracy" in result.stdout
    run = here / "runs" / "small"
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "best.safetensors",
        "last.safetensors",
        "checkpoints",
        "metrics.jsonl",
        "curves.svg",
        "card.md",
    }
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "epoch" for line in lines) == 8
    assert "confusion" not in next(line for line in lines if line["kind"] == "step")["metrics"]
    assert "rows.npz" in (run / "card.md").read_text()


def test_a_second_run_gets_a_folder_of_its_own(here: Path) -> None:
    trained("--epochs", "1")
    trained("--epochs", "1")
    assert {path.name for path in (here / "runs").iterdir()} == {"small", "small-2"}


def test_nothing_is_written_where_nothing_shall_be(here: Path) -> None:
    trained("--epochs", "1", "--no-save")
    assert not (here / "runs").exists()


def test_json_holds_the_figures_of_every_epoch(here: Path) -> None:
    document = json.loads(trained("--epochs", "2", "--json").stdout)
    assert document["ok"] and len(document["epochs"]) == 2
    assert 0 <= document["epochs"][1]["valid"][""]["accuracy"] <= 1


def test_eval_measures_the_same_as_the_training_did(here: Path) -> None:
    document = json.loads(trained("--json").stdout)
    last = document["epochs"][-1]["valid"][""]
    weights = "runs/small/last.safetensors"
    args = ["eval", "small.net", "--data", "rows.npz", "--holdout", "0.25", "--weights", weights]
    measured = json.loads(netrun(*args, "--json").stdout)
    assert 58 <= measured["rows"] <= 62  # a fourth of each class
    assert measured["figures"][""]["accuracy"] == last["accuracy"]
    assert measured["figures"][""]["loss"] == pytest.approx(last["loss"], rel=1e-6)
    table = netrun(*args)
    assert "accuracy" in table.stdout and "confusion" in table.stdout


def test_eval_says_when_the_weights_are_random(here: Path) -> None:
    assert "random" in netrun("eval", "small.net", "--data", "rows.npz").stderr


def test_weights_beside_the_file_are_used(here: Path) -> None:
    trained()
    (here / "runs/small/best.safetensors").rename(here / "small.safetensors")
    result = json.loads(netrun("eval", "small.net", "--data", "rows.npz", "--json").stdout)
    assert result["figures"][""]["accuracy"] > 0.8
    run = netrun("run", "small.net", "--input", "zeros")
    assert "small.safetensors" in run.stderr
    assert "random" in netrun("run", "small.net", "--input", "zeros", "--weights", "random").stderr


@pytest.mark.parametrize("kind", ["npz", "npy", "csv", "jsonl"])
def test_predictions(here: Path, kind: str) -> None:
    trained("--epochs", "2")
    weights = "runs/small/last.safetensors"
    result = netrun(
        "predict", "small.net", "--data", "rows.npz", "-w", weights, "-o", f"out.{kind}", "--top", "2"
    )
    assert result.exit_code == 0, result.stderr
    x = np.load(here / "rows.npz")["x"]
    expected = nr.load("small.net", weights)(x=x)
    np.testing.assert_allclose(read(here / f"out.{kind}"), expected.argmax(axis=1))


def read(path: Path) -> Any:
    """The largest class of each row, from any kind of file."""
    if path.suffix == ".npz":
        return np.load(path)["logits"].argmax(axis=1)
    if path.suffix == ".npy":
        return np.load(path).argmax(axis=1)
    if path.suffix == ".csv":
        return [int(row["class_1"]) for row in csv.DictReader(path.read_text().splitlines())]
    return [json.loads(line)["top"][0]["class"] for line in path.read_text().splitlines()]


def test_everything_can_be_said_on_the_command_line(here: Path) -> None:
    train = ("optimizer=sgd(0.1, momentum=0.9)", "schedule=cosine()", "clip=norm(1)")
    numbers = {"epochs": 3, "batch-size": 20, "accumulate": 2, "seed": 4, "ema": 0.9, "lr": 0.05}
    said = [word for text in train for word in ("--train", text)]
    said += [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    result = trained(*said, "--out", "runs/said", "--json")
    assert json.loads(result.stdout)["steps"] == 3 * 5
    lines = [json.loads(line) for line in Path("runs/said/metrics.jsonl").read_text().splitlines()]
    assert lines[0]["lr"] == pytest.approx(0.05)
    card = Path("runs/said/card.md").read_text()
    assert "sgd(0.1, momentum=0.9)" in card and "`ema=0.9`" in card


def test_a_group_of_weights_gets_a_rate_on_the_command_line(here: Path) -> None:
    result = trained("--train", 'group "fc*"=adjust(lr=0)', "--epochs", "2", "--no-save", "--json")
    first, second = (epoch["valid"][""]["loss"] for epoch in json.loads(result.stdout)["epochs"])
    assert first == second


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--data", "none.npz"], 3, "none.npz"),
        (["--data", "rows.npz", "--train", "optimiser=adam()"], 1, "optimizer"),
        (["--data", "rows.npz", "--train", "optimizer.lrr=1"], 1, "lr"),
        (["--data", "rows.npz", "--lr", "-1"], 1, "0 or more"),
        (["--data", "rows.npz", "--valid", "rows.npz", "--holdout", "0.1"], 2, "--holdout"),
        (["--data", "rows.npz", "--resume", "--no-save"], 2, "--no-save"),
        (["--data", "rows.npz", "--resume"], 3, "no checkpoint"),
        (["--data", "rows.npz", "--lr", "1e38"], 3, "learning rate"),
        (["--data", "rows.npz", "--holdout", "1.5"], 3, "1.5"),
    ],
)
def test_mistakes_are_told(here: Path, args: list[str], code: int, words: str) -> None:
    result = netrun("train", "small.net", *args)
    assert result.exit_code == code, (result.exit_code, result.stderr)
    assert words in result.stderr and "Traceback" not in result.stderr
    assert "E0999" not in result.stderr


def test_resuming_in_a_folder_without_a_run_names_the_runs_beside_it(here: Path) -> None:
    netrun("train", "small.net", "--data", "rows.npz", "--epochs", "1", "--out", "runs/first", "--plain")
    result = netrun("train", "small.net", "--data", "rows.npz", "--out", "runs/frist", "--resume")
    assert result.exit_code == 3
    assert "continue the run `runs/first` with `--out runs/first --resume`, or omit" in result.stderr
    assert not (here / "runs" / "frist").exists()


def test_labels_out_of_range_name_file_and_row(here: Path) -> None:
    label = np.zeros(240, np.int64)
    label[17] = 3
    np.savez("wrong.npz", x=np.zeros((240, 4), np.float32), label=label)
    result = netrun("train", "small.net", "--data", "wrong.npz")
    assert result.exit_code == 3 and "wrong.npz" in result.stderr and "17" in result.stderr
    assert "the label 3" in result.stderr


def test_nan_in_the_data_names_file_and_row(here: Path) -> None:
    x = np.zeros((240, 4), np.float32)
    x[30, 2] = np.nan
    np.savez("wrong.npz", x=x, label=np.zeros(240, np.int64))
    result = netrun("train", "small.net", "--data", "wrong.npz", "--out", "runs/x")
    assert result.exit_code == 3 and "wrong.npz" in result.stderr and "30" in result.stderr


def test_a_class_missing_in_validation_is_told(here: Path) -> None:
    np.savez("valid.npz", x=np.zeros((9, 4), np.float32), label=np.zeros(9, np.int64))
    args = ["train", "small.net", "--data", "rows.npz", "--valid", "valid.npz", "--epochs", "1", "--no-save"]
    told = netrun(*args)
    assert told.exit_code == 0 and "class" in told.stderr
    assert netrun(*args, "--strict").exit_code == 3


def test_a_full_disk_leaves_the_checkpoint_before(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained("--epochs", "1", "--out", "runs/x")
    import errno
    import os

    real = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    args = ["train", "small.net", "--data", "rows.npz", "--holdout", "0.25", "--out", "runs/x", "--resume"]
    result = netrun(*args, "--epochs", "2")
    assert result.exit_code == 4 and "No space left" in result.stderr, result.stderr
    monkeypatch.setattr(os, "fsync", real)
    assert netrun(*args, "--epochs", "2").exit_code == 0
