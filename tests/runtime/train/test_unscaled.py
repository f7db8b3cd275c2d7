"""Pictures whose values have the range of bytes, but are not bytes, are noted by every reader."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import netruntime as nr
from netruntime.cli.app import cli
from netruntime.data import DataOptions, open_data

TEXT = """net 1.0
model P(image: f32[B, 1, 4, 4]) -> logits: f32[B, 2] { return image -> flatten -> fc: Linear(2) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = adam(lr=0.05)
  epochs = 1
}
"""
BYTES = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4))
LABELS = np.arange(8) % 2
NOTE = "`image`: values up to 255 are not scaled: only bytes are, by 1/255; convert them with array."


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("p.net").write_text(TEXT)
    BYTES[0, 0, 0, 0] = 255
    return tmp_path


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "i4", "u2"])
@pytest.mark.parametrize("axes", [(8, 1, 4, 4), (8, 4, 4), (8, 4, 4, 1)])
def test_every_command_notes_them(here: Path, dtype: str, axes: tuple[int, ...]) -> None:
    image = BYTES.astype(dtype).reshape(axes)
    np.savez("d.npz", image=image, label=LABELS)
    np.savez("x.npz", image=image)
    for words in (
        ["train", "p.net", "--data", "d.npz", "--no-save"],
        ["eval", "p.net", "--data", "d.npz", "--weights", "random"],
        ["predict", "p.net", "--data", "x.npz"],
        ["run", "p.net", "--input", "image=x.npz"],
    ):
        result = CliRunner().invoke(cli, words)
        assert NOTE in result.output, (words, result.output)


@pytest.mark.parametrize("size", [(4, 4), (9, 7)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_nothing_is_noted_of_picture_files(here: Path, size: tuple[int, int], mode: str) -> None:
    pictures = pytest.importorskip("PIL.Image")
    for name in "ab":
        (here / "photos" / name).mkdir(parents=True)
        pictures.new(mode, size, 255 if mode == "L" else (255,) * len(mode)).save(f"photos/{name}/x.png")
    for words in (
        ["train", "p.net", "--data", "photos", "--no-save"],
        ["predict", "p.net", "--data", "photos/a/x.png"],
        ["run", "p.net", "--input", "photos/a/x.png"],
        ["run", "p.net", "--input", "photos/a"],
    ):
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
        assert "are not scaled" not in result.output, (words, result.output)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (BYTES.astype("u1"), DataOptions()),
        (BYTES / 255, DataOptions()),
        (BYTES.astype("f4") - 128, DataOptions()),
        (BYTES * 16.0, DataOptions()),
        (BYTES.astype("f4"), DataOptions(scale=1.0)),
    ],
    ids=["bytes", "scaled", "centred", "larger", "kept"],
)
def test_nothing_is_noted_of_other_values(here: Path, image: Any, options: DataOptions) -> None:
    result = nr.predict("p.net", {"image": image}, options=options)
    assert not any("are not scaled" in note for note in result.notes)
    rows = open_data({"image": image}, nr.load("p.net").inputs, options)
    assert not any("are not scaled" in note for note in rows.notes)


def test_a_network_warns_where_its_weights_were_trained_on_bytes(here: Path) -> None:
    trained = nr.fit("p.net", {"image": BYTES.astype("u1"), "label": LABELS}).network()
    with pytest.warns(nr.DataWarning, match="values up to 255 are not scaled"):
        trained(image=BYTES.astype("f4"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(image=(BYTES / 255).astype("f4"))
        nr.load("p.net")(image=BYTES.astype("f4"))
