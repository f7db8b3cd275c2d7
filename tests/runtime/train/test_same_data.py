"""Weights are used on data read as in training: columns by name, one scale, no answers for padding."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import netruntime as nr
from netruntime.cli.app import cli

NAMES = ["age", "income", "height", "weight"]
TABLE = """net 1.0
model M(x: f32[B, 4]) -> logits: f32[B, 3] { return x -> fc: Linear(3) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = adam(lr=0.05)
  epochs = 3
}
"""
PICTURES = """net 1.0
model P(image: f32[B, 1, 4, 4]) -> logits: f32[B, 2] { return image -> flatten -> fc: Linear(2) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = adam(lr=0.05)
  epochs = 3
}
"""


def netrun(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def done(*words: object) -> str:
    result = netrun(*words)
    assert result.exit_code == 0, result.output
    return result.output


def write_table(path: Path, order: Sequence[int], *, label: bool, extra: bool = False) -> Any:
    """Rows whose columns are in some order; returns the columns in the order of training."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4)).astype(np.float32)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            [*(["id"] if extra else []), *(NAMES[n] for n in order), *(["label"] if label else [])]
        )
        for number, row in enumerate(x):
            cells = [repr(float(row[n])) for n in order]
            writer.writerow(
                [*([number] if extra else []), *cells, *([int(row[:3].argmax())] if label else [])]
            )
    return x


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.net").write_text(TABLE)
    (tmp_path / "p.net").write_text(PICTURES)
    return tmp_path


@pytest.fixture
def trained(here: Path) -> Any:
    """A run on `train.csv`; returns its rows and its logits by NumPy."""
    x = write_table(here / "train.csv", [0, 1, 2, 3], label=True)
    done("train", "m.net", "--data", "train.csv", "--out", "run", "--plain")
    weights = nr.read_weights("run/last.safetensors")
    return x @ np.asarray(weights["fc.weight"]) + np.asarray(weights["fc.bias"])


@pytest.mark.parametrize("alone", [False, True], ids=["in the run", "the file alone"])
@pytest.mark.parametrize(
    ("order", "label", "extra"),
    [([0, 1, 2, 3], True, False), ([3, 1, 0, 2], False, False), ([2, 0, 3, 1], True, True)],
)
def test_columns_are_found_by_name_everywhere(
    here: Path, trained: Any, alone: bool, order: list[int], label: bool, extra: bool
) -> None:
    write_table(here / "new.csv", order, label=label, extra=extra)
    weights = "run/last.safetensors"
    if alone:
        (here / "w.safetensors").write_bytes((here / weights).read_bytes())
        weights = "w.safetensors"
    done("predict", "m.net", "--weights", weights, "--data", "new.csv", "--out", "a.npz")
    done("run", "m.net", "--weights", weights, "--input", "new.csv", "--save", "b.npz")
    for file in ("a.npz", "b.npz"):
        with np.load(file) as held:
            assert np.allclose(held["logits"], trained, atol=1e-5), file
    assert np.allclose(nr.predict("m.net", "new.csv", weights)["logits"], trained, atol=1e-5)
    network = nr.load("m.net", weights)
    assert np.allclose(nr.predict(network, "new.csv")["logits"], trained, atol=1e-5)
    if label:
        told = json.loads(done("eval", "m.net", "--weights", weights, "--data", "new.csv", "--json"))
        with np.load("a.npz") as held:
            z = held["logits"].astype(np.float64)
        classes = [int(row["label"]) for row in csv.DictReader((here / "new.csv").read_text().splitlines())]
        log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
        assert told["figures"][""]["loss"] == pytest.approx(-log_probs[range(30), classes].mean(), rel=1e-4)


def test_validation_data_in_another_order(here: Path) -> None:
    write_table(here / "train.csv", [0, 1, 2, 3], label=True)
    write_table(here / "valid.csv", [3, 1, 2, 0], label=True)
    event = nr.fit("m.net", "train.csv", "valid.csv", epochs=1).history[-1]
    same = nr.fit("m.net", "train.csv", "train.csv", epochs=1).history[-1]
    assert event.valid[""]["loss"] == pytest.approx(same.valid[""]["loss"], rel=1e-6)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_weights_saved_from_python_keep_the_order_of_columns(here: Path, name: str) -> None:
    x = write_table(here / "train.csv", [2, 0, 3, 1], label=True)
    network = nr.fit("m.net", "train.csv").network()
    network.save(name)
    write_table(here / "other.csv", [0, 1, 2, 3], label=False, extra=True)
    wanted = x[:, [2, 0, 3, 1]] @ network.weights["fc.weight"] + network.weights["fc.bias"]
    for source, weights in ((network, None), ("m.net", name), (nr.load("m.net", name), None)):
        assert np.allclose(nr.predict(source, "other.csv", weights)["logits"], wanted, atol=1e-5)
    done("predict", "m.net", "--data", "other.csv", "--weights", name, "--out", "p.npy")
    assert np.allclose(np.load("p.npy"), wanted, atol=1e-5)


@pytest.mark.usefixtures("trained")
def test_a_missing_column_is_named(here: Path) -> None:
    write_table(here / "new.csv", [0, 2, 3], label=False)
    for command in (("predict", "--out", "a.csv", "--data"), ("run", "--input")):
        result = netrun(command[0], "m.net", "--weights", "run/last.safetensors", *command[1:], "new.csv")
        assert result.exit_code == 3
        assert "has no column `income`" in result.output, result.output
        assert "`age`, `income`, `height`, `weight`" in result.output


def test_weights_that_carry_nothing_are_noted(here: Path) -> None:
    write_table(here / "new.csv", [0, 1, 2, 3], label=False)
    nr.write_weights("w.npz", dict(nr.load("m.net").weights))
    result = netrun("predict", "m.net", "--weights", "w.npz", "--data", "new.csv", "--out", "a.csv")
    assert "the weights do not record how their training data was read" in result.output
    np.savez("new.npz", x=np.ones((2, 4), np.float32))
    result = netrun("predict", "m.net", "--weights", "w.npz", "--data", "new.npz", "--out", "b.csv")
    assert result.exit_code == 0 and "do not record" not in result.output, "one array has no order of columns"


def test_weights_written_from_python_carry_the_columns(here: Path) -> None:
    x = write_table(here / "train.csv", [0, 1, 2, 3], label=True)
    write_table(here / "new.csv", [3, 2, 1, 0], label=False)
    result = nr.fit("m.net", "train.csv")
    nr.write_weights("w.safetensors", result.weights)
    result.network().save("n.safetensors")
    wanted = result.network()(x=x)
    for weights in ("w.safetensors", "n.safetensors", result.weights):
        assert np.allclose(nr.predict("m.net", "new.csv", weights)["logits"], wanted, atol=1e-5)


# -- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [None, 1.0, 0.5])
def test_one_scale_for_bytes_everywhere(here: Path, scale: float | None) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 1, 4, 4)).astype(np.uint8)
    np.savez("d.npz", image=pictures, label=rng.integers(0, 2, 20))
    np.savez("a.npz", image=pictures)
    np.save("a.npy", pictures)
    words = [] if scale is None else ["--scale", str(scale)]
    done("train", "p.net", "--data", "d.npz", "--out", "run", "--plain", *words)
    weights = nr.read_weights("run/last.safetensors")
    scaled = pictures.reshape(20, 16).astype(np.float64) * (1 / 255 if scale is None else scale)
    wanted = scaled @ np.asarray(weights["fc.weight"], np.float64) + np.asarray(weights["fc.bias"])
    close = {"rtol": 1e-3, "atol": 1e-4}
    done("predict", "p.net", "--weights", "run/last.safetensors", "--data", "a.npz", "--out", "p.npy")
    done("run", "p.net", "--weights", "run/last.safetensors", "--input", "a.npy", "--save", "r.npy")
    assert np.allclose(np.load("p.npy"), wanted, **close)
    assert np.allclose(np.load("r.npy"), wanted, **close)
    net = nr.load("p.net", "run/last.safetensors")
    if scale == 1.0:
        assert np.allclose(net(image=pictures), wanted, **close)
    else:
        with pytest.warns(nr.DataWarning, match="bytes are multiplied"):
            assert np.allclose(net(image=pictures), wanted, **close)
    done(
        "run",
        "p.net",
        "--input",
        "a.npy",
        "--scale",
        "1",
        "--weights",
        "run/last.safetensors",
        "--save",
        "s.npy",
    )
    raw = pictures.reshape(20, 16) @ np.asarray(weights["fc.weight"]) + np.asarray(weights["fc.bias"])
    assert np.allclose(np.load("s.npy"), raw, **close)


def test_normalisation_travels_with_the_weights(here: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 1, 4, 4)).astype(np.uint8)
    np.savez("d.npz", image=pictures, label=rng.integers(0, 2, 20))
    np.save("image.npy", pictures)
    done("train", "p.net", "--data", "d.npz", "--out", "run", "--plain", "--augment", "normalise")
    weights = nr.read_weights("run/last.safetensors")
    scaled = pictures.reshape(20, 16) / 255.0
    scaled = (scaled - scaled.mean()) / scaled.std()
    wanted = scaled @ np.asarray(weights["fc.weight"], np.float64) + np.asarray(weights["fc.bias"])
    done("predict", "p.net", "--weights", "run/last.safetensors", "--data", "image.npy", "--out", "p.npy")
    done("run", "p.net", "--weights", "run/last.safetensors", "--input", "image.npy", "--save", "r.npy")
    assert np.allclose(np.load("p.npy"), wanted, atol=1e-3)
    assert np.allclose(np.load("r.npy"), wanted, atol=1e-3)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "mse", "l1", "huber"])
def test_bytes_that_are_targets_are_not_scaled(loss: str) -> None:
    text = f"""net 1.0
model B(x: f32[B, 2]) -> logit: f32[B] {{ return x -> fc: Linear(1) -> squeeze(1) }}
train {{
  input wanted: f32[B]
  loss = {loss}(logit, wanted)
  metric largest = max(wanted)
}}
"""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)).astype(np.float32), rng.integers(0, 2, 40)
    start = nr.load(text).weights
    figures = [
        nr.evaluate(text, {"x": x, "wanted": y.astype(dtype)}, start).figures[""] for dtype in ("i4", "u1")
    ]
    assert figures[0] == figures[1]
    assert figures[1]["largest"] == 1.0


# -- padding ---------------------------------------------------------------------------------------

TOKENS = """net 1.0
model T(ids: i32[B, T]) -> (
  logits: f32[B, T, 3], pairs: f32[B, T, T], best: i64[B, T], half: f32[B, (T + 1)//2, 8], pooled: f32[B, 3]
) {
  e = ids -> embed: Embedding(300, 8)
  logits = e -> out: Linear(3)
  return logits, e @ transpose(e, [0, 2, 1]), argmax(logits), e[:, ::2], logits[:, 0]
}
"""


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_predictions_hold_no_answers_for_padding(here: Path, batch_size: int) -> None:
    rows = [{"ids": np.arange(n) + 1} for n in (2, 6, 3, 1, 5)]
    found = nr.predict(TOKENS, rows, batch_size=batch_size)
    network = nr.load(TOKENS)
    for row, predicted in zip(rows, found.rows, strict=True):
        alone = network(ids=row["ids"][None])
        for name, value in predicted.items():
            assert value.shape == alone[name][0].shape, name
            assert np.allclose(value, alone[name][0], atol=1e-6), name
    assert [len(value) for value in found["logits"]] == [2, 6, 3, 1, 5]


def test_an_axis_of_fixed_size_is_cut_too() -> None:
    text = "net 1.0\nmodel T(ids: i32[B, 8]) -> logits: f32[B, 8, 3] { return ids -> Embedding(9, 3) }\n"
    found = nr.predict(text, [{"ids": np.arange(n) + 1} for n in (2, 6, 8)])
    assert [len(value) for value in found["logits"]] == [2, 6, 8]


def test_files_of_predictions_without_padding(here: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install netdsl[text]")
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save("tokenizer.json")
    (here / "t.net").write_text(TOKENS)
    (here / "t.csv").write_text("text\nab\nabcdef\nabc\n")
    words = [
        "predict",
        "t.net",
        "--data",
        "t.csv",
        "--tokenizer",
        "tokenizer.json",
        "--batch-size",
        "2",
        "--out",
    ]
    done(*words, "a.jsonl")
    lines = [json.loads(line)["outputs"] for line in (here / "a.jsonl").read_text().splitlines()]
    assert [len(line["logits"]) for line in lines] == [2, 6, 3]
    done(*words, "a.npz")
    with np.load("a.npz") as held:
        assert held["logits_length"].tolist() == [2, 6, 3]
        assert held["logits"].shape == (3, 6, 3)
        assert np.isnan(held["logits"][0, 2:]).all() and np.isfinite(held["logits"][0, :2]).all()
        assert held["best"][0].tolist()[2:] == [-1] * 4
        assert np.allclose(held["logits"][2, :3], lines[2]["logits"])
    result = netrun(*words, "a.npy")
    assert result.exit_code == 2 and "E0925" in result.output
