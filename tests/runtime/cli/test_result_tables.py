"""Tables of a model that is not trained on classes hold its numbers, on standard output as well."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import netrun, write

import netruntime as nr

HEAD = "net 1.0\n\nmodel M(x: f32[B, 4]) -> "
MODELS = {
    "scalar": (HEAD + "y: f32[B] { return sum(x, over=1) }\n", ["y"]),
    "single": (HEAD + "y: f32[B, 1] { return sum(x, over=1, keepdims=true) }\n", ["y"]),
    "binary": (
        HEAD + "y: f32[B] { return x -> fc: Linear(1) -> squeeze(1) }\n"
        "train {\n  input t: f32[B]\n  loss = binary_cross_entropy(y, t)\n}\n",
        ["y"],
    ),
    "regression": (
        HEAD + "y: f32[B, 2] { return x -> fc: Linear(2) }\n"
        "train {\n  input t: f32[B, 2]\n  loss = mse(y, t)\n}\n",
        ["y_0", "y_1"],
    ),
}
CLASSES = {
    "no train": HEAD + "y: f32[B, 3] { return x -> fc: Linear(3) }\n",
    "labels": HEAD + "y: f32[B, 3] { return x -> fc: Linear(3) }\n"
    "train {\n  input t: i32[B]\n  loss = cross_entropy(y, t)\n}\n",
    "distributions": HEAD + "y: f32[B, 3] { return x -> fc: Linear(3) }\n"
    "train {\n  input t: f32[B, 3]\n  loss = cross_entropy(y, t)\n}\n",
}
ROWS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "d.npz", x=ROWS)
    monkeypatch.chdir(tmp_path)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("kind", MODELS)
def test_predict_and_run_save_the_numbers(kind: str, tmp_path: Path) -> None:
    text, columns = MODELS[kind]
    write(tmp_path, "m.net", text)
    wanted = nr.load("m.net")(x=ROWS).reshape(3, -1)
    assert netrun("predict", "m.net", "--data", "d.npz", "--out", "p.csv").exit_code == 0
    assert netrun("run", "m.net", "--input", "d.npz", "--save", "r.csv").exit_code == 0
    for name, first in (("p.csv", "row"), ("r.csv", "item")):
        rows = table((tmp_path / name).read_text())
        assert list(rows[0]) == [first, *columns]
        numbers = np.array([[row[column] for column in columns] for row in rows], np.float32)
        np.testing.assert_array_equal(numbers, wanted)


@pytest.mark.parametrize("kind", CLASSES)
def test_scores_of_classes_keep_their_largest(kind: str, tmp_path: Path) -> None:
    write(tmp_path, "m.net", CLASSES[kind])
    best = nr.load("m.net")(x=ROWS).argmax(axis=1)
    result = netrun("predict", "m.net", "--data", "d.npz")
    assert [row["class"] for row in table(result.stdout)] == [str(n) for n in best]


def test_predictions_go_to_standard_output(tmp_path: Path) -> None:
    write(tmp_path, "m.net", MODELS["scalar"][0])
    plain, dash = (netrun("predict", "m.net", "--data", "d.npz", *out) for out in ((), ("--out", "-")))
    assert plain.stdout == dash.stdout
    assert [float(row["y"]) for row in table(plain.stdout)] == pytest.approx(ROWS.sum(axis=1))
    document = json.loads(netrun("predict", "m.net", "--data", "d.npz", "--json").stdout)
    assert [row["outputs"]["y"] for row in document["predictions"]] == pytest.approx(ROWS.sum(axis=1))


def test_outputs_with_several_axes_are_printed_as_lines_of_json(tmp_path: Path) -> None:
    write(tmp_path, "m.net", HEAD + "y: f32[B, 2, 2] { return x -> reshape([B, 2, 2]) }\n")
    result = netrun("predict", "m.net", "--data", "d.npz")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    np.testing.assert_array_equal(
        np.array([row["outputs"]["y"] for row in rows], np.float32), ROWS.reshape(3, 2, 2)
    )


@pytest.mark.parametrize("kind", [*MODELS, *CLASSES])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_are_saved_as_one_run_is(kind: str, batch: int, tmp_path: Path) -> None:
    write(tmp_path, "m.net", MODELS[kind][0] if kind in MODELS else CLASSES[kind])
    assert netrun("run", "m.net", "--input", "d.npz", "--save", "one.csv").exit_code == 0
    result = netrun("run", "m.net", "--input", "d.npz", "--batch-size", batch, "--save", "many.csv")
    assert result.exit_code == 0, result.output
    one, many = (table((tmp_path / name).read_text()) for name in ("one.csv", "many.csv"))
    assert [row.pop("item") for row in many] == ["d.npz[0]", "d.npz[1]", "d.npz[2]"]
    assert [row.pop("item") for row in one] == ["0", "1", "2"]
    for a, b in zip(one, many, strict=True):
        assert list(a) == list(b)
        np.testing.assert_allclose([float(v) for v in a.values()], [float(v) for v in b.values()], rtol=1e-5)


@pytest.mark.parametrize(("names", "first"), [(["ant", "bee"], "number"), (["ant", "bee", "cat"], "name")])
def test_names_are_those_of_all_scores_or_none(names: list[str], first: str, tmp_path: Path) -> None:
    write(tmp_path, "m.net", CLASSES["labels"])
    nr.load("m.net").save("m.safetensors")
    write(tmp_path, "classes.json", json.dumps(names))
    best = nr.load("m.net", weights="m.safetensors")(x=ROWS).argmax(axis=1)
    wanted = [str(n) if first == "number" else names[n] for n in best]
    for arguments in (
        ["predict", "m.net", "--data", "d.npz", "--out"],
        ["run", "m.net", "--input", "d.npz", "--top", 1, "--save"],
    ):
        result = netrun(*arguments, "t.csv")
        assert result.exit_code == 0, result.output
        assert [row["class"] for row in table(Path("t.csv").read_text())] == wanted
