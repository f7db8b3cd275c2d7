"""The same pixels give the same numbers: with every command and in Python, whatever file they come from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import netruntime as nr
from netruntime.cli.app import cli
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

ROWS = 6
NET = """net 1.0
model P(image: f32[B, {shape}]) -> logits: f32[B, 2] {{ return image -> flatten -> fc: Linear(2) }}
train {{
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr=0.05)
  epochs = 2
}}
"""
MEAN, STD = 0.3, 0.2


def done(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def write_forms(folder: Path, pixels: np.ndarray, shape: tuple[int, ...]) -> list[str]:
    """The pixels, u8 `[n, 1, 4, 4]`, as files of bytes and of floats in 0..1; tables for a flat input."""
    image = pytest.importorskip("PIL.Image")
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    (folder / "photos").mkdir()
    for number, picture in enumerate(pixels):
        image.fromarray(picture[0]).save(folder / "photos" / f"{number}.png")
    parts = pixels.astype(np.float32) * np.float32(1 / 255)
    np.save(folder / "bytes.npy", pixels)
    np.savez(folder / "bytes.npz", image=pixels)
    np.savez(folder / "floats.npz", image=parts)
    np.save(folder / "big.npy", parts.astype(">f4"))
    np.save(folder / "fortran.npy", np.asfortranarray(parts))
    files = ["photos", "bytes.npy", "bytes.npz", "floats.npz", "big.npy", "fortran.npy"]
    if len(shape) > 1:
        return files
    flat = parts.reshape(len(parts), -1)
    names = [f"image{number}" for number in range(flat.shape[1])]
    with (folder / "floats.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *([repr(float(value)) for value in row] for row in flat)])
    parquet.write_table(arrow.table(dict(zip(names, flat.T, strict=True))), folder / "floats.parquet")
    np.save(folder / "flat.npy", flat)
    np.save(folder / "flat_bytes.npy", pixels.reshape(len(pixels), -1))
    return [*files, "floats.csv", "floats.parquet", "flat.npy", "flat_bytes.npy"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(shape: tuple[int, ...], pixels: np.ndarray, *words: object) -> np.ndarray:
    """Train on floats in 0..1; returns the logits of the pixels by NumPy."""
    Path("p.net").write_text(NET.format(shape=", ".join(map(str, shape))))
    parts = pixels.astype(np.float32) * np.float32(1 / 255)
    np.savez("train.npz", image=parts, label=np.arange(ROWS) % 2)
    done("train", "p.net", "--data", "train.npz", "--out", "run", "--plain", *words)
    weights = nr.read_weights("run/last.safetensors")
    x = (parts.reshape(ROWS, -1) - MEAN) / STD
    return np.asarray(x @ np.asarray(weights["fc.weight"]) + np.asarray(weights["fc.bias"]))


@pytest.mark.parametrize("shape", [(1, 4, 4), (16,)], ids=["picture", "flat"])
def test_normalised_pictures_are_the_same_from_every_file(here: Path, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, 1, 4, 4)).astype(np.uint8)
    wanted = trained(shape, pixels, "--augment", f"normalise={MEAN}/{STD}")
    files = write_forms(here, pixels, shape)
    weights = "run/last.safetensors"
    net = nr.load("p.net", weights)
    got = {}
    for file in files:
        data = f"{file}/*.png" if file == "photos" else file
        done("predict", "p.net", "--weights", weights, "--data", data, "--out", "p.npy")
        got[f"predict {file}"] = np.load("p.npy")
        got[f"nr.predict {file}"] = nr.predict(net, data)["logits"]
        done("run", "p.net", "--weights", weights, "--input", f"image={file}", "--save", "r.npz")
        saved = np.load("r.npz")
        got[f"run {file}"] = np.stack([saved[name] for name in saved.files]).reshape(ROWS, 2)
        if file != "photos":
            spec = InputSpec("image", net.inputs["image"])
            got[f"read_input {file}"] = net(image=read_input(file, spec, net.reading))
    assert {name: logits for name, logits in got.items() if not np.allclose(logits, wanted, atol=2e-4)} == {}


def test_evaluation_has_the_loss_of_the_logits(here: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (ROWS, 1, 4, 4)).astype(np.uint8)
    logits = trained((1, 4, 4), pixels, "--augment", f"normalise={MEAN}/{STD}").astype(np.float64)
    label = np.arange(ROWS) % 2
    loss = float((np.log(np.exp(logits).sum(1)) - logits[np.arange(ROWS), label]).mean())
    np.savez("bytes.npz", image=pixels, label=label)
    for file in ("train.npz", "bytes.npz"):
        figures = nr.evaluate("p.net", file, "run/last.safetensors").figures[""]
        assert figures["loss"] == pytest.approx(loss, abs=1e-4), file


def test_training_goes_on_with_the_scale_and_normalisation_of_the_weights(here: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (ROWS, 1, 4, 4)).astype(np.uint8)
    trained((1, 4, 4), pixels, "--augment", f"normalise={MEAN}/{STD}", "--scale", "0.01")
    start = ("train", "p.net", "--data", "train.npz", "--plain", "--weights", "run/last.safetensors")
    output = done(*start, "--augment", "flip", "--out", "next")
    record = json.loads(Path("next/data.json").read_text())
    assert (record["normalise"], record["scale"]) == (f"normalise={MEAN}/{STD}", 0.01)
    assert "normalised as for the weights" in output and "multiplied by 1/100" in output
    output = done(*start, "--augment", "normalise", "--scale", "0.01", "--out", "bare")
    assert json.loads(Path("bare/data.json").read_text())["normalise"] == f"normalise={MEAN}/{STD}"
    assert "multiplied" not in output
    output = done(*start, "--augment", "normalise=0.5/0.5", "--scale", "1", "--out", "other")
    record = json.loads(Path("other/data.json").read_text())
    assert (record["normalise"], record["scale"]) == ("normalise=0.5/0.5", 1.0)
    assert "not normalised as for the weights" in output and "were by 1/100" in output
    done("train", "p.net", "--data", "train.npz", "--plain", "--out", "next", "--resume", "--epochs", "4")
    assert json.loads(Path("next/data.json").read_text())["normalise"] == f"normalise={MEAN}/{STD}"
