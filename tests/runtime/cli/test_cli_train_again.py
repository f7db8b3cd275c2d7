"""`netrun train` on what a run left behind, and on files that say little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import environment, netrun

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
    assert "training is already complete at step 2, after epoch 2 of 2" in again.stderr


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

    from netruntime.train.run import TrainRequest, prepare

    with prepare(TrainRequest("m.net", "rows.npz", out=Path("r"), settings={"epochs": 3}), [Stops()]) as run:
        run.loop.run()
    assert [path.name for path in Path("r/checkpoints").glob("step-*")] == ["step-00000001"]


@pytest.mark.parametrize("data", [["rows.npz"], ["x=rows.npz:x"], ["../{here}/rows.npz"]])
def test_predictions_never_replace_the_data(here: Path, data: list[str]) -> None:
    before = Path("rows.npz").read_bytes()
    words = [word for spec in data for word in ("--data", spec.format(here=here.name))]
    done = netrun("predict", "m.net", *words, "--out", "rows.npz")
    assert done.exit_code == 2 and "E0925" in done.stderr
    assert Path("rows.npz").read_bytes() == before


def test_predictions_never_replace_the_weights(here: Path) -> None:
    nr.load("m.net").save("w.npz")
    done = netrun("predict", "m.net", "--data", "rows.npz", "--weights", "w.npz", "--out", "w.npz")
    assert done.exit_code == 2 and "E0925" in done.stderr


def test_a_table_has_no_more_columns_than_classes(here: Path) -> None:
    netrun("predict", "m.net", "--data", "rows.npz", "--top", "9", "--out", "a.csv")
    lines = Path("a.csv").read_text().splitlines()
    assert lines[0] == "row,class_1,probability_1,class_2,probability_2"
    assert {line.count(",") for line in lines} == {4}


@pytest.mark.parametrize("scale", ["nan", "inf", "0"])
def test_an_impossible_scale_is_refused(here: Path, scale: str) -> None:
    done = netrun("train", "m.net", "--data", "rows.npz", "--scale", scale)
    assert done.exit_code == 2 and "E0920" in done.stderr


def test_a_run_that_nobody_reads_ends_as_other_commands_do(here: Path) -> None:
    words = ["train", "m.net", "--data", "rows.npz", "--no-save", "--plain"]
    start = [sys.executable, "-c", "from netruntime.cli import main; main()", *words]
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment({})) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        told = run.stderr.read()
        assert run.wait(60) == 141, told


WIDE = SOURCE.replace("net 1.0\n", "net 1.0\nconfig {\n  classes: int = 5\n}\n")
WIDE = WIDE.replace("2]", "classes]").replace("Linear(2)", "Linear(classes)")


@pytest.fixture
def trained(here: Path) -> Path:
    """A run with another number of classes than the file says, with the names of the classes beside it."""
    Path("m.net").write_text(WIDE)
    words = ["--data", "rows.npz", "--set", "classes=2", "--epochs", "1", "--out", "r"]
    done = netrun("train", "m.net", *words)
    assert done.exit_code == 0, done.output
    Path("r/classes.json").write_text('["cat", "dog"]')
    np.savez("one.npz", x=np.ones((3, 3), np.float32))
    return here


def test_a_run_holds_its_file_and_its_settings(trained: Path) -> None:
    setup = json.loads(Path("r/config.json").read_text())
    assert Path("r/m.net").read_text() == WIDE
    assert (setup["file"], setup["set"], setup["data"]) == ("m.net", {"classes": "2"}, ["rows.npz"])
    assert setup["settings"]["epochs"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["run", "m.net", "--input", "one.npz:x"],
        ["eval", "m.net", "--data", "rows.npz"],
        ["predict", "m.net", "--data", "one.npz", "--out", "p.csv"],
    ],
)
def test_settings_need_not_be_repeated(trained: Path, words: list[str]) -> None:
    done = netrun(*words, "--weights", "r/last.safetensors")
    assert done.exit_code == 0, done.output
    assert "using --set classes=2, as in the training of these weights" in done.stderr
    other = netrun(*words, "--weights", "r/last.safetensors", "--set", "classes=4")
    assert other.exit_code == 3 and "E0723" in other.output, "what the command line says comes first"


def test_the_folder_of_a_run_is_read_as_it_was_trained(trained: Path) -> None:
    done = netrun("run", "r/m.net", "--input", "one.npz:x")
    assert done.exit_code == 0, done.output
    assert "the weights are read from r/best.safetensors" in done.stderr
    assert "random weights" in netrun("run", "r/m.net", "--input", "one.npz:x", "--weights", "random").stderr
    Path("r/config.json").unlink()
    assert "random weights" in netrun("run", "r/m.net", "--input", "one.npz:x").stderr


def test_classes_with_names_are_shown_unasked(trained: Path) -> None:
    done = netrun("run", "m.net", "--input", "one.npz:x", "--weights", "r/last.safetensors")
    assert "cat" in done.stdout and "dog" in done.stdout
    two = netrun("run", "m.net", "--input", "one.npz:x", "--weights", "random", "--set", "classes=2")
    assert "probability" not in two.stdout


def test_a_run_of_another_file_sets_nothing(trained: Path) -> None:
    Path("other.net").write_text(WIDE)
    done = netrun("run", "other.net", "--input", "one.npz:x", "--weights", "r/last.safetensors")
    assert "E0723" in done.output


def test_the_card_of_a_resumed_run_reproduces_it(trained: Path) -> None:
    words = ["train", "m.net", "--data", "rows.npz", "--epochs", "2", "--out", "r"]
    done = subprocess.run(
        [sys.executable, "-c", "from netruntime.cli import main; main()", *words, "--resume"],
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "resumed at step 1 of 2, in epoch 2 of 2" in done.stderr
    card = Path("r/card.md").read_text()
    assert "--resume" not in card and "--epochs 2 --out r --set classes=2" in card


def test_classes_have_names_in_run_and_in_its_table(trained: Path) -> None:
    words = ["run", "m.net", "--input", "one.npz:x", "--weights", "r/last.safetensors"]
    shown = netrun(*words, "--top", "1").stdout
    assert "label" in shown and ("cat" in shown or "dog" in shown)
    assert netrun(*words, "--save", "x.csv").exit_code == 0
    head, *rows = Path("x.csv").read_text().splitlines()
    assert head == "item,class,probability" and len(rows) == 3
    assert rows[0].split(",")[1] in ("cat", "dog") and 0.5 <= float(rows[0].split(",")[2]) <= 1


def test_a_run_beside_its_file_does_not_replace_it(here: Path) -> None:
    before = Path("m.net").read_text()
    assert netrun("train", "m.net", "--data", "rows.npz", "--epochs", "1", "--out", ".").exit_code == 0
    assert Path("m.net").read_text() == before and Path("config.json").is_file()


PICTURES = """net 1.0
model P(image: f32[B, 1, 4, 4]) -> logits: f32[B, 2] { return image -> flatten -> fc: Linear(2) }
"""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    monkeypatch.chdir(tmp_path)
    Path("p.net").write_text(PICTURES)
    for number, name in enumerate(["cat/a.png", "cat/b.png", "dog/c.png"]):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((4, 4), number * 40, np.uint8)).save(path)
    return tmp_path


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ("photos/", ["photos/cat/a.png", "photos/cat/b.png", "photos/dog/c.png"]),
        ("photos/cat/*.png", ["photos/cat/a.png", "photos/cat/b.png"]),
        ("photos/dog/c.png", ["photos/dog/c.png"]),
    ],
)
def test_predictions_name_their_files(pictures: Path, data: str, files: list[str]) -> None:
    assert netrun("predict", "p.net", "--data", data, "--out", "p.csv").exit_code == 0
    head, *rows = Path("p.csv").read_text().splitlines()
    assert head.startswith("row,file,class,")
    assert [row.split(",")[1] for row in rows] == files
    assert netrun("predict", "p.net", "--data", data, "--out", "p.jsonl").exit_code == 0
    assert [json.loads(line)["file"] for line in Path("p.jsonl").read_text().splitlines()] == files


def test_predictions_from_several_folders_name_their_files(pictures: Path) -> None:
    words = ["--data", "photos/dog", "--data", "photos/cat", "--out", "p.jsonl"]
    assert netrun("predict", "p.net", *words).exit_code == 0
    files = [json.loads(line)["file"] for line in Path("p.jsonl").read_text().splitlines()]
    assert files == ["photos/dog/c.png", "photos/cat/a.png", "photos/cat/b.png"]


def test_predictions_of_arrays_have_no_files(here: Path) -> None:
    netrun("predict", "m.net", "--data", "rows.npz", "--out", "p.csv")
    assert Path("p.csv").read_text().startswith("row,class")


def test_a_warm_up_that_takes_the_run_is_noted(here: Path) -> None:
    words = ["train", "m.net", "--data", "rows.npz", "--epochs", "2", "--no-save"]
    long = netrun(*words, "--train", "schedule=cosine(warmup=200)")
    assert "the warm-up of 200 updates does not end in the 2 of this run" in long.stderr
    short = netrun(*words, "--train", "schedule=cosine(warmup=200)", "--train", "schedule.warmup=1")
    assert short.exit_code == 0 and "warm-up" not in short.stderr


def test_images_of_different_sizes_say_how_to_go_on(pictures: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.fromarray(np.zeros((6, 5), np.uint8)).save("photos/cat/b.png")
    free = "net 1.0\nmodel P(image: f32[B, 1, H, W]) -> s: f32[B, 1] { return image -> global_avg_pool }\n"
    Path("free.net").write_text(free)
    words = ["run", "free.net", "--input", "photos/cat/"]
    refused = netrun(*words)
    assert "--size H=N --size W=N" in refused.stderr and "--batch-size 1" in refused.stderr
    assert netrun(*words, "--batch-size", "1").exit_code == 0
    sized = ["--size", "H=4", "--size", "W=4", "--resize", "crop"]
    assert netrun(*words, *sized).exit_code == 0
    assert netrun("predict", "free.net", "--data", "photos/cat/", *sized, "--out", "p.npz").exit_code == 0
