"""`netrun run` on folders, patterns and long files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import PAIR, SCORES, netrun, netrun_json, write


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return write(tmp_path, "scores.net", SCORES)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Five files of one row for SCORES; row n is [n, n+1, 0]."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for n in range(5):
        np.save(folder / f"{n}.npy", np.array([n, n + 1, 0], np.float32))
    return folder


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
def test_each_item_has_its_own_result(scores: Path, rows: Path, batch: int) -> None:
    document = netrun_json("run", scores, "-i", rows, "--batch-size", batch)
    assert [item["name"] for item in document["items"]] == [f"{n}.npy" for n in range(5)]
    values = [item["outputs"]["logits"]["values"] for item in document["items"]]
    assert values == [[n, n + 1, 0] for n in range(5)]


def test_a_pattern_takes_some(scores: Path, rows: Path) -> None:
    document = netrun_json("run", scores, "-i", rows / "[13].npy")
    assert [item["name"] for item in document["items"]] == ["1.npy", "3.npy"]


def test_the_table_has_the_best_class_of_each(scores: Path, rows: Path, tmp_path: Path) -> None:
    labels = write(tmp_path, "labels.txt", "ant\nbee\ncat\n")
    result = netrun("run", scores, "-i", rows, "--labels", labels)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["item", "class", "label", "value", "probability"]
    assert lines[-1] == ["4.npy", "1", "bee", "5", "72.75%"]
    assert len(lines) == 7


def test_the_table_without_classes_has_first_values(scores: Path, rows: Path) -> None:
    result = netrun("run", scores, "-i", rows)
    assert result.stdout.splitlines()[-1].split() == ["4.npy", "logits", "f32[3]", "4", "5", "0"]


def test_npz_names_items_and_outputs(scores: Path, rows: Path, tmp_path: Path) -> None:
    result = netrun("run", scores, "-i", rows, "--save", tmp_path / "out.npz", "--tap", "multiply")
    assert "for 5 items" in result.stderr
    with np.load(tmp_path / "out.npz") as saved:
        assert len(saved.files) == 10
        assert saved["3.npy/logits"].tolist() == [3, 4, 0] == saved["3.npy/multiply"].tolist()


def test_json_lists_items(scores: Path, rows: Path, tmp_path: Path) -> None:
    netrun("run", scores, "-i", rows, "--save", tmp_path / "out.json")
    items = json.loads((tmp_path / "out.json").read_text())["items"]
    assert items[2] == {
        "name": "2.npy",
        "outputs": {"logits": {"type": "f32[3]", "shape": [3], "values": [2, 3, 0]}},
    }


def test_npy_cannot_hold_items(scores: Path, rows: Path, tmp_path: Path) -> None:
    result = netrun("run", scores, "-i", rows, "--save", tmp_path / "out.npy")
    assert result.exit_code == 2
    assert "can hold one array, but there are 5 items" in result.stderr


def test_files_of_one_name_stay_apart(scores: Path, rows: Path) -> None:
    (rows / "more").mkdir()
    np.save(rows / "more" / "1.npy", np.zeros(3, np.float32))
    document = netrun_json("run", scores, "-i", rows / "**" / "1.npy")
    assert [item["name"] for item in document["items"]] == ["1.npy", "1.npy#2"]


def test_a_batch_size_splits_a_long_file(scores: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", "1,2,3\n4,5,6\n7,8,9\n")
    document = netrun_json("run", scores, "-i", path, "--batch-size", 2)
    assert [item["name"] for item in document["items"]] == ["x.csv[0]", "x.csv[1]", "x.csv[2]"]
    assert document["items"][2]["outputs"]["logits"]["values"] == [7, 8, 9]


def test_two_folders_go_in_step(tmp_path: Path) -> None:
    model = write(tmp_path, "pair.net", PAIR)
    for name, channels in (("images", 3), ("masks", 1)):
        (tmp_path / name).mkdir()
        for n in range(3):
            np.save(tmp_path / name / f"{n}.npy", np.full((channels, 2, 2), n, np.float32))
    feeds = ["-i", f"image={tmp_path / 'images'}", "-i", f"mask={tmp_path / 'masks'}"]
    items = netrun_json("run", model, *feeds, "--batch-size", 2)["items"]
    assert [item["outputs"]["masked"]["mean"] for item in items] == [0, 1, 4]
    (tmp_path / "masks" / "2.npy").unlink()
    result = netrun("run", model, *feeds, "--batch-size", 2)
    assert result.exit_code == 3
    assert "input `image` has more items than input `mask`" in result.stderr


def test_made_up_inputs_fit_every_batch(tmp_path: Path) -> None:
    model = write(tmp_path, "pair.net", PAIR)
    (tmp_path / "images").mkdir()
    for n in range(3):
        np.save(tmp_path / "images" / f"{n}.npy", np.full((3, 2, 2), n, np.float32))
    items = netrun_json(
        "run", model, "-i", f"image={tmp_path / 'images'}", "-i", "mask=ones", "--batch-size", 2
    )["items"]
    assert [item["outputs"]["masked"]["max"] for item in items] == [0, 1, 2]


def test_the_seed_sets_random_inputs_of_every_batch(tmp_path: Path) -> None:
    model = write(tmp_path, "pair.net", PAIR)
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "0.npy", np.ones((3, 2, 2), np.float32))
    feeds = ("-i", f"image={tmp_path / 'images'}", "-i", "mask=random")
    runs = [netrun_json("run", model, *feeds, "--seed", n)["items"] for n in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_outputs_that_do_not_run_over_items_stay_whole(tmp_path: Path, rows: Path) -> None:
    body = "{ return x, x -> [B, K] => [K, B] }"
    head = "model Two(x: f32[B, 3]) -> (y: f32[B, 3], t: f32[3, B])"
    model = write(tmp_path, "two.net", f"net 1.0\n{head} {body}\n")
    items = netrun_json("run", model, "-i", rows, "--batch-size", 3)["items"]
    assert items[0]["outputs"]["y"]["shape"] == [3]
    assert items[0]["outputs"]["t"]["shape"] == [3, 3]


def test_an_empty_folder(scores: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    result = netrun("run", scores, "-i", tmp_path / "none")
    assert result.exit_code == 3
    assert "holds no data that netdsl reads" in result.stderr


def test_a_bad_file_among_good_ones_is_named(scores: Path, rows: Path, tmp_path: Path) -> None:
    (rows / "3.npy").write_bytes(b"rubbish")
    result = netrun("run", scores, "-i", rows, "--save", tmp_path / "out.npz")
    assert result.exit_code == 3
    assert "3.npy" in result.stderr
    assert not (tmp_path / "out.npz").exists()


def test_a_fixed_batch_that_files_do_not_fill(tmp_path: Path, rows: Path) -> None:
    model = write(tmp_path, "fixed.net", SCORES.replace("[B, 3]", "[2, 3]"))
    result = netrun("run", model, "-i", rows)
    assert result.exit_code == 3
    assert "takes batches of 2, but 1 items are left for the last" in result.stderr


def test_progress_shows_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from netruntime.cli.common import progress as module

    screen = Console(file=io.StringIO(), force_terminal=True, width=90, color_system=None)
    clock = iter([0.0, 0.0, *(float(n) for n in range(1, 50))])
    monkeypatch.setattr(module, "console", lambda stderr: screen)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    with module.Progress(unit="rows") as progress:
        progress.advance(30, 60)
        progress._bar.refresh()
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "30/60 rows 30/s" in shown
    assert shown.rstrip("\r\n").endswith("\x1b[2K"), "the bar does not stay"


GRAPH = """net 1.0
model Net(x: f32[N, 5], a: f32[N, N]) -> logits: f32[N, 3] {
  return a @ (x -> fc: Linear(3))
}
"""


def test_the_rows_of_a_graph_are_run_at_once(tmp_path: Path) -> None:
    """A batch size would cut its matrix; `run` and `predict` give the same."""
    net, rng = write(tmp_path, "graph.net", GRAPH), np.random.default_rng(0)
    folder = tmp_path / "graph"
    folder.mkdir()
    for name, shape in (("x", (6, 5)), ("a", (6, 6))):
        np.save(folder / f"{name}.npy", rng.normal(size=shape).astype(np.float32))
    inputs = [word for name in ("x", "a") for word in ("-i", f"{name}={folder}/{name}.npy")]
    netrun("run", net, *inputs, "--save", tmp_path / "all.npz")
    cut = netrun("run", net, *inputs, "--batch-size", 2, "--save", tmp_path / "cut.npz")
    assert "`N` is also another axis of `a`, f32[N, N]: all rows are one batch" in cut.stderr
    netrun("predict", net, "--data", folder, "--batch-size", 2, "-o", tmp_path / "rows.npz")
    expected = np.load(tmp_path / "all.npz")["logits"]
    for name in ("cut", "rows"):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npz")["logits"], expected)
    refused = netrun("run", net, "-i", f"x={folder}", *inputs[2:])
    assert "error[E0922]" in refused.stderr and "--input x=FILE" in refused.stderr
