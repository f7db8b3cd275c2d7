"""The same pixels give the same logits to the bit: in every kind of file, from every command and Python."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import netrun, netrun_json, write
from PIL import Image

from netruntime import load
from netruntime.data import DataOptions, open_data
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input
from netruntime.weight_files.weights import write_weights

NET = """net 1.0

model Net(image: f32[B, {channels}, 6, 5]) -> logits: f32[B, 4] {{
  return image -> flatten -> fc: Linear(4)
}}

train {{
  input label: i32[B]
  loss = cross_entropy(Net(image), label)
  batch_size = 1
  optimizer = sgd(lr=0)
}}
"""
SIZES = {"same": (6, 5), "smaller": (4, 2), "larger": (9, 7)}


def npy(folder: Path, pixels: Any) -> str:
    np.save(folder / "image.npy", pixels[None])
    return str(folder / "image.npy")


def npz(folder: Path, pixels: Any) -> str:
    np.savez(folder / "d.npz", image=pixels[None], label=np.zeros(1, np.int64))
    return str(folder / "d.npz")


def npz_channels_last(folder: Path, pixels: Any) -> str:
    np.savez_compressed(
        folder / "last.npz", image=pixels.transpose(1, 2, 0)[None], label=np.zeros(1, np.int64)
    )
    return str(folder / "last.npz")


def png(folder: Path, pixels: Any) -> str:
    (folder / "photos" / "cat").mkdir(parents=True, exist_ok=True)
    shown = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(shown).save(folder / "photos" / "cat" / "a.png")
    return str(folder / "photos" / "cat" / "a.png")


def glob(folder: Path, pixels: Any) -> str:
    return str(Path(png(folder, pixels)).parent / "*.png")


def classes(folder: Path, pixels: Any) -> str:
    return str(Path(png(folder, pixels)).parents[1])


def idx(folder: Path, pixels: Any) -> str:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 1, *pixels.shape[1:])
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(header + pixels.tobytes()))
    labels = folder / "train-labels-idx1-ubyte"
    labels.write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 1) + b"\0")
    return str(path)


def parquet(folder: Path, pixels: Any) -> str:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install netdsl[parquet]")
    import pyarrow.parquet

    path = folder / "t.parquet"
    kind = arrow.list_(arrow.list_(arrow.list_(arrow.uint8())))
    image = arrow.array([pixels.tolist()], kind)
    pyarrow.parquet.write_table(arrow.table({"image": image, "label": [0]}), path)
    return str(path)


FORMS = (npy, npz, npz_channels_last, png, glob, classes, idx, parquet)
ALONE = (npy, png, glob)
"""Forms that hold no label, which `eval` and `train` need."""


def cases() -> Iterator[Any]:
    for form in FORMS:
        for channels in (1, 3):
            for size in SIZES:
                if not (form is idx and channels == 3):
                    yield pytest.param(form, channels, size, id=f"{form.__name__}-{channels}-{size}")


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("nets")
    found = {}
    for channels in (1, 3):
        found[channels] = write(folder, f"net{channels}.net", NET.format(channels=channels))
        write_weights(folder / f"net{channels}.safetensors", load(found[channels], seed=3).weights)
    return found


def picture(channels: int, size: str) -> Any:
    return np.random.default_rng(channels).integers(0, 256, (channels, *SIZES[size]), np.uint8)


def expected(net: Path, pixels: Any, how: str | None = None) -> Any:
    """The logits of the pixels as `open_data` makes them from an array in Python."""
    network = load(net, weights=str(net.with_suffix(".safetensors")))
    options = DataOptions(resize=how)  # type: ignore[arg-type]
    rows = open_data({"image": pixels[None]}, network.inputs, options).rows([0])["image"]
    if pixels.shape[1:] == (6, 5):
        np.testing.assert_array_equal(rows[0], pixels.astype(np.float32) * np.float32(1 / 255))
    return np.asarray(network(image=rows))


@pytest.mark.parametrize(("form", "channels", "size"), list(cases()))
def test_one_picture(form: Any, channels: int, size: str, nets: dict[int, Path], tmp_path: Path) -> None:
    net, pixels = nets[channels], picture(channels, size)
    logits = expected(net, pixels)
    spec = form(tmp_path, pixels)
    answers = {"predict": predicted(net, spec, tmp_path)}
    if form is not classes:  # sub-folders are for data sets
        answers["run"] = ran(net, spec)
    if form not in (classes, glob):
        network = load(net, weights=str(net.with_suffix(".safetensors")))
        wanted = InputSpec("image", network.inputs["image"])
        answers["read_input"] = np.asarray(network(image=read_input(spec, wanted)))
    for name, answer in answers.items():
        np.testing.assert_array_equal(answer, logits, err_msg=name, strict=True)
    if form not in ALONE:
        powers = np.exp(logits[0].astype(np.float64))
        loss = -np.log(powers[0] / powers.sum())
        measured = netrun_json("eval", net, "--data", spec)["figures"]
        weights = ("--weights", net.with_suffix(".safetensors"))
        trained = netrun_json("train", net, "--data", spec, "--epochs", "1", *weights, "--no-save")
        for figures in (measured, trained["epochs"][0]["train"]):
            assert np.isclose(next(iter(figures.values()))["loss"], loss, rtol=1e-5)


@pytest.mark.parametrize("how", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("form", [npz, png])
def test_the_choice_of_resizing_is_the_same_everywhere(
    form: Any, how: str, nets: dict[int, Path], tmp_path: Path
) -> None:
    net, pixels = nets[3], picture(3, "larger")
    logits = expected(net, pixels, how)
    spec = form(tmp_path, pixels)
    np.testing.assert_array_equal(ran(net, spec, "--resize", how), logits)
    np.testing.assert_array_equal(predicted(net, spec, tmp_path, "--resize", how), logits)


def test_mean_and_std_are_the_same_everywhere(nets: dict[int, Path], tmp_path: Path) -> None:
    net, pixels = nets[3], picture(3, "same")
    options = ("--mean", "0.4,0.5,0.6", "--std", "0.2", "--scale", "0.01")
    answers = [ran(net, form(tmp_path, pixels), *options) for form in (npy, npz, png)]
    answers += [predicted(net, form(tmp_path, pixels), tmp_path, *options) for form in (npy, npz, png)]
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])
    mean, std = np.float32([0.4, 0.5, 0.6]).reshape(3, 1, 1), np.float32(0.2)
    values = (pixels.astype(np.float32) * np.float32(0.01) - mean) / std
    network = load(net, weights=str(net.with_suffix(".safetensors")))
    np.testing.assert_array_equal(np.asarray(network(image=values[None])), answers[0])


def test_the_scaling_is_said_in_a_note(nets: dict[int, Path], tmp_path: Path) -> None:
    for form in (npy, png):
        spec = form(tmp_path, picture(1, "same"))
        out = tmp_path / "out.npz"
        for result in (
            netrun("run", nets[1], "--input", spec),
            netrun("predict", nets[1], "--data", spec, "--out", out),
        ):
            assert result.stderr.count("`image`: bytes are multiplied by 1/255") == 1


def ran(net: Path, spec: str, *options: str) -> Any:
    save = Path(net).with_name("run.npz")
    assert netrun("run", net, "--input", spec, "--save", save, *options).exit_code == 0
    with np.load(save) as saved:
        (logits,) = saved.values()
    return logits if logits.ndim == 2 else logits[None]


def predicted(net: Path, spec: str, folder: Path, *options: str) -> Any:
    out = folder / "predicted.npz"
    result = netrun("predict", net, "--data", spec, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    with np.load(out) as saved:
        return saved["logits"]
