"""A run's folder in place of a file or of weights: the command and Python read the same from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import netruntime as nr
from netruntime.cli.app import cli

TEXT = """net 1.0
config {
  classes: int = 10
  hidden: int = 4
}
model P(x: f32[B, 3]) -> logits: f32[B, classes] { return x -> Linear(hidden) -> Linear(classes) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr=0.05)
  epochs = 2
  batch_size = 4
}
"""
X = np.random.default_rng(0).random((8, 3), np.float32)
DATA = {"x": X, "label": np.arange(8) % 2}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("p.net").write_text(TEXT)
    np.savez("d.npz", **DATA)
    nr.fit("p.net", DATA, config={"classes": 2}, out="run")
    return Path("run")


def expected(run: Path) -> np.ndarray:
    return nr.load("p.net", run / "best.safetensors", classes=2)(x=X)


def test_a_run_is_loaded_with_its_file_its_best_weights_and_its_settings(run: Path) -> None:
    for source, weights in (
        (run, None),
        (str(run), None),
        (run, run / "best.safetensors"),
        ("p.net", run),
        ("p.net", run / "best.safetensors"),
        (TEXT, run),
    ):
        if source is TEXT:
            (run / "p.net").write_text(TEXT)
        network = nr.load(source, weights)
        assert np.array_equal(network(x=X), expected(run)), (source, weights)


def test_arguments_come_before_the_settings_of_a_run(run: Path) -> None:
    with pytest.raises(nr.WeightsError, match="E0723"):
        nr.load(run, classes=3)
    assert nr.load(run, nr.load("p.net", classes=3).weights, classes=3)(x=X).shape == (8, 3)
    assert nr.load("p.net").outputs["logits"].shape[1].value == 10


def test_a_folder_of_runs_lists_them(run: Path) -> None:
    run.rename(run.with_name("first"))
    Path("runs").mkdir()
    Path("first").rename("runs/first")
    with pytest.raises(nr.NetError, match=r"`runs` is a folder(.|\n)*name a run in it: `first`"):
        nr.load("runs")
    assert nr.load("runs/first").name == "P"


def test_settings_of_another_file_are_not_used(run: Path) -> None:
    Path("q.net").write_text(TEXT)
    for source in ("q.net", TEXT.replace("P(", "Q(")):
        with pytest.raises(nr.WeightsError, match="E0723"):
            nr.load(source, run / "best.safetensors")


def test_predictions_and_figures_of_a_run(run: Path) -> None:
    assert np.allclose(nr.predict(run, {"x": X})["logits"], expected(run), atol=1e-6)
    assert np.allclose(nr.predict("p.net", {"x": X}, run)["logits"], expected(run), atol=1e-6)
    figures = nr.evaluate("p.net", DATA, run / "best.safetensors", config={"classes": 2}).figures
    assert nr.evaluate(run, DATA).figures == nr.evaluate("p.net", DATA, run).figures == figures


def test_a_run_is_resumed_with_its_settings(run: Path) -> None:
    resumed = nr.fit("p.net", DATA, out=run, resume=True, epochs=4)
    assert resumed.network().outputs["logits"].shape[1].value == 2
    assert nr.fit(run, DATA, out=run, resume=True, epochs=6).step == 12


def test_a_resumed_run_that_differs_is_shown_how_it_started(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "p.net", "--data", "d.npz", "--holdout", "0.5", "--set", "classes=2", "--out", "r"]
    monkeypatch.setattr("sys.argv", ["netrun", *words])
    assert CliRunner().invoke(cli, words).exit_code == 0
    again = ["train", "p.net", "--data", "d.npz", "--out", "r", "--resume", "--epochs", "3"]
    result = CliRunner().invoke(cli, again)
    assert result.exit_code == 3 and "E1077" in result.output
    assert f"as in `netrun {' '.join(words)}`" in result.output
    again += ["--holdout", "0.5"]
    assert CliRunner().invoke(cli, again).exit_code == 0


def test_the_last_weights_where_no_epoch_was_the_best(run: Path) -> None:
    (run / "best.safetensors").unlink()
    last = nr.load("p.net", run / "last.safetensors")
    assert np.array_equal(nr.load(run)(x=X), last(x=X))


@pytest.mark.parametrize("words", [["run"], ["p.net", "--weights", "run"]])
def test_commands_take_the_folder(run: Path, words: list[str]) -> None:
    np.save("x.npy", X)
    assert CliRunner().invoke(cli, ["check", words[0]]).exit_code == 0
    for command in (
        ["run", *words, "--input", "x.npy", "--save", "out.npy"],
        ["predict", *words, "--data", "x.npy", "--out", "out.npy"],
        ["eval", *words, "--data", "d.npz"],
    ):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 0, result.output
        assert "--set classes=2, as in the training" in result.output
        if "out.npy" in command:
            assert np.allclose(np.load("out.npy"), expected(run), atol=1e-6)
            Path("out.npy").unlink()


@pytest.mark.parametrize(
    "setup", ["", "[]", "{}", '{"file": 3}', '{"file": "../p.net"}', '{"file": "no.net"}']
)
def test_a_damaged_setup_is_no_run(run: Path, setup: str) -> None:
    (run / "config.json").write_text(setup)
    with pytest.raises(nr.NetError, match="folder"):
        nr.load(run)
