"""What is written at the end of a run: its curves and its card."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netruntime import read_weights
from netruntime.cli.train.usage import usage_lines
from netruntime.data import DataOptions
from netruntime.errors import TrainingError
from netruntime.train.fingerprints import data_fingerprint
from netruntime.train.records.card import CardFacts, DataFacts, card_text
from netruntime.train.records.curves import curves, smoothed, write_curves
from netruntime.train.records.facts import Provenance, total_seconds
from netruntime.train.records.finish import finish
from netruntime.train.run import Run, TrainRequest, prepare


def step_line(step: int, phase: str = "", loss: float | None = 0.5) -> dict:
    metrics = {"accuracy": step / 400, "table": [[1, 0], [0, 1]]}
    line = {"kind": "step", "step": step, "epoch": 0, "phase": phase, "loss": loss, "metrics": metrics}
    return {**line, "lr": 0.1, "grad_norm": 1.0, "seconds": step / 10, "samples": 4}


def epoch_line(epoch: int, step: int, phase: str = "") -> dict:
    figures = {phase: {"loss": 0.25, "accuracy": 0.75}}
    return {"kind": "epoch", "epoch": epoch, "step": step, "train": figures, "valid": figures, "best": True}


def test_running_means_agree_with_a_plain_loop() -> None:
    values = np.random.default_rng(0).normal(size=50)
    values[[3, 4, 20]] = np.nan
    for width in (1, 2, 5, 100):
        expected = [
            np.nan
            if np.isnan(values[n])
            else np.nanmean(values[max(n - width // 2, 0) : min(n + (width + 1) // 2, 50)])
            for n in range(50)
        ]
        np.testing.assert_allclose(smoothed(list(values), width), expected)


def test_the_charts_of_a_run() -> None:
    lines = [step_line(step, loss=100.0 / step) for step in range(1, 401)]
    charts = curves([*lines, epoch_line(0, 200), epoch_line(1, 400)])
    assert [chart.title for chart in charts] == ["loss", "accuracy", "learning rate", "gradient norm"]
    loss, accuracy, *_ = charts
    assert loss.log_y and not accuracy.log_y
    assert [(s.name, s.faint, len(s.x)) for s in loss.series] == [
        ("training", True, 400),
        ("training", False, 400),
        ("validation", False, 2),
    ]
    assert [(s.name, list(s.x), list(s.y)) for s in accuracy.series] == [
        ("training", [200, 400], [0.75, 0.75]),
        ("validation", [200, 400], [0.75, 0.75]),
    ]


def test_the_charts_of_a_run_of_one_epoch_follow_its_steps() -> None:
    charts = curves([*(step_line(step) for step in range(1, 101)), epoch_line(0, 100)])
    assert [(s.name, len(s.x)) for s in charts[1].series] == [
        ("training", 100),
        ("training", 100),
        ("validation", 1),
    ]


def test_phases_have_charts_of_their_own() -> None:
    lines = [step_line(step, phase) for step in (1, 2) for phase in ("D", "G")]
    titles = [chart.title for chart in curves([*lines, epoch_line(0, 2, "D")])]
    assert titles[0] == "D: loss" and titles[4] == "G: loss" and len(titles) == 8


def test_losses_that_are_not_finite_are_gaps() -> None:
    (chart, *_) = curves([step_line(1), step_line(2, loss=None), step_line(3)])
    np.testing.assert_array_equal(chart.series[0].y, [0.5, np.nan, 0.5])


def test_curves_of_a_log_without_lines(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("")
    written = write_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.svg")
    ET.parse(written[0])
    with pytest.raises(TrainingError, match="missing"):
        write_curves(tmp_path / "missing.jsonl", tmp_path / "curves.svg")


FACTS = CardFacts(
    model="Digits",
    file="digits.net",
    file_sha256="f" * 64,
    weights="runs/x/best.safetensors",
    weights_sha256="0" * 64,
    parameters=61706,
    arrays=10,
    data=(DataFacts("training", ("a|b.npz",), 1438, "abcd"),),
    sections=("train {\n  loss = mse(y, t)\n}",),
    settings={"epochs": 2, "steps": None, "drop_last": False},
    command="netrun train digits.net --data 'a|b.npz'",
    device="cpu",
    versions={"netdsl": "0.1.0", "NumPy": "2.0"},
    steps=90,
    epochs=2,
    seconds=3723.0,
)


def test_a_small_card() -> None:
    assert card_text(FACTS) == (
        "# Digits\n\nA model card, written by `netrun train`.\n\n"
        "## Model\n\n"
        f"- File: `digits.net`, SHA-256 `{'f' * 64}`\n"
        f"- Weights: `runs/x/best.safetensors`, SHA-256 `{'0' * 64}`\n"
        "- Parameters: 61,706 in 10 arrays\n\n"
        "## Data\n\n"
        "| used for | from | rows | fingerprint |\n"
        "| --- | --- | ---: | ---: |\n"
        "| training | `a\\|b.npz` | 1,438 | `abcd` |\n\n"
        "## Training\n\n"
        "```\ntrain {\n  loss = mse(y, t)\n}\n```\n\n"
        "- Settings: `epochs=2`, `drop_last=false`\n"
        "- Length: 90 updates over 2 epochs, in 1:02:03\n"
        "- Device: cpu\n"
        "- Versions: netdsl 0.1.0, NumPy 2.0\n"
        "- Command:\n\n"
        "```sh\nnetrun train digits.net --data 'a|b.npz'\n```\n"
    )


def test_a_card_with_figures() -> None:
    figures = {"": {"loss": 0.5, "accuracy": None, "table": [[3, 1], [0, 4]]}}
    best = {"": {"loss": 0.25, "accuracy": 0.75, "table": [[4, 0], [0, 4]]}}
    facts = replace(
        FACTS,
        config={"classes": 2, "names": ["a", "b"]},
        split="A fifth was held out.",
        notes=("`image`: bytes are multiplied by 1/255",),
        overrides={"optimizer": "sgd(0.1)"},
        train=figures,
        best=best,
        best_epoch=0,
        monitor="accuracy",
        classes=("cat", "dog"),
        use=("netrun eval digits.net",),
    )
    text = card_text(facts)
    for part in (
        '- Config: `classes=2`, `names=["a", "b"]`\n',
        "\n\nA fifth was held out.\n\n- `image`: bytes are multiplied by 1/255\n",
        "Overridden: `optimizer=sgd(0.1)`.\n",
        "|  | training, last epoch | best epoch (1) by accuracy |\n| --- | ---: | ---: |\n",
        "| loss | 0.5000 | 0.2500 |\n| accuracy | – | 0.7500 |\n",
        "## table\n\nRows are labels, columns are predictions.\n\n|  | cat | dog |\n",
        "| cat | 4 | 0 |\n| dog | 0 | 4 |\n",
        "## Use\n\n```sh\nnetrun eval digits.net\n```\n",
    ):
        assert part in text
    many = {"": {"table": np.eye(26).tolist()}}
    assert "## table" not in card_text(replace(facts, best=many))


def test_the_time_of_a_resumed_run_is_that_of_all_its_parts() -> None:
    assert total_seconds({"seconds": s} for s in (1.0, 2.0, 5.0, 0.5, 1.5, 1.0)) == 7.5
    assert total_seconds([]) == 0.0


NET = """net 1.0

config { hidden: int = 6 }

model Small(x: f32[B, 4]) -> y: f32[B, 2] {
  return x -> a: Linear(hidden) -> relu -> b: Linear(2)
}

train {
  input label: i32[B]
  loss = cross_entropy(y, label)
  metric accuracy = accuracy(y, label)
  epochs = 2
}
"""


def run_of(folder: Path, name: str = "run") -> Run:
    chance = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=chance.normal(size=(40, 4)), label=chance.integers(0, 2, 40))
    (folder / "small.net").write_text(NET)
    return prepare(
        TrainRequest(
            folder / "small.net",
            folder / "data.npz",
            holdout=0.25,
            out=folder / name,
            config={"hidden": "3"},
            options=DataOptions(scale=0.5, cut=True),
        )
    )


def test_what_a_run_leaves_to_be_read(tmp_path: Path) -> None:
    best = tmp_path / "run" / "best.safetensors"
    with run_of(tmp_path) as run:
        run.loop.run()
        use = usage_lines(run, run.weights_file(tmp_path / "run"))
        finish(run, Provenance("netrun train small.net", use))
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"curves.svg", "card.md", "metrics.jsonl"}
    card = (tmp_path / "run" / "card.md").read_text()
    count = sum(array.size for array in read_weights(best).values())
    for part in (
        "# Small\n",
        "```sh\nnetrun train small.net\n```\n",
        f"SHA-256 `{hashlib.sha256(NET.encode()).hexdigest()}`",
        f"SHA-256 `{hashlib.sha256(best.read_bytes()).hexdigest()}`",
        f"- Parameters: {count:,} in 4 arrays\n",
        f"| training | `{tmp_path / 'data.npz'}` | 30 | `{data_fingerprint(run.train)}` |",
        f"| validation | `{tmp_path / 'data.npz'}` | 10 |",
        "A fraction of 0.25 of the rows, drawn with seed 0, was held out for validation.",
        "  loss = cross_entropy(y, label)\n",
        "- Length: 2 updates over 2 epochs, in 0:0",
        "| accuracy | 0.",
        f"netrun eval {tmp_path / 'small.net'} --weights {best} --set hidden=3 "
        f"--data {tmp_path / 'data.npz'} --scale 0.5 --cut --holdout 0.25 --seed 0\n",
        f"netrun run {tmp_path / 'small.net'} --weights {best} --set hidden=3 --input x=FILE --scale 0.5\n",
    ):
        assert part in card


def test_fingerprints_tell_data_apart(tmp_path: Path) -> None:
    with run_of(tmp_path, "a") as run:
        assert data_fingerprint(run.train) == data_fingerprint(run.train)
        assert run.valid is not None and data_fingerprint(run.valid) != data_fingerprint(run.train)


def test_curves_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = tmp_path / "metrics.jsonl"
    log.write_text("")
    with pytest.raises(TrainingError, match="cannot write the chart") as caught:
        write_curves(log, tmp_path / "file" / "a.svg")
    assert caught.value.code == "E1055"
