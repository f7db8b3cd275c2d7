"""What the commands do with data: filled inputs, texts, sizes, missing files, classes, top classes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import netruntime as nr
from netruntime.cli.app import cli

ENCODER = """net 1.0
model Enc(ids: i32[B, T], keep: bool[B, 1, 1, T], ids_length: i32[B]) -> (mean: f32[B, 4], n: i32[B]) {
  e = ids -> embed: Embedding(300, 4)
  k = cast(reshape(keep, [B, T, 1]), f32)
  return sum(e*k, over=1) / sum(k, over=1), ids_length
}
"""
PICTURES = """net 1.0
model P(image: f32[B, 1, 4, 4]) -> logits: f32[B, 10] { return image -> flatten -> fc: Linear(10) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  epochs = 1
}
"""


def netrun(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def done(*words: object) -> str:
    result = netrun(*words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.net").write_text(ENCODER)
    (tmp_path / "p.net").write_text(PICTURES)
    return tmp_path


@pytest.fixture
def tokenizer(here: Path) -> str:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install netdsl[text]")
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**{c: i for i, c in enumerate(letters)}, "<pad>": 256}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<pad>"])
    made.save("tokenizer.json")
    return "tokenizer.json"


@pytest.mark.parametrize("mark", ["", "\x0c", "\u2028", "\x1c", "\x85", "\r"])
def test_masks_and_lengths_are_filled_for_sentences(here: Path, tokenizer: str, mark: str) -> None:
    """`run` and `predict` agree, sentence by sentence, with the mean over the real tokens."""
    (here / "s.txt").write_bytes(f"ab\na{mark}bcde\nabc\n".encode())
    done("run", "e.net", "--input", "ids=s.txt", "--tokenizer", tokenizer, "--save", "r.npz")
    done("predict", "e.net", "--data", "s.txt", "--tokenizer", tokenizer, "--out", "p.npz")
    lengths = [2, 5 + len(mark.encode()), 3]
    for file in ("r.npz", "p.npz"):
        with np.load(file) as held:
            assert held["n"].tolist() == lengths
            results = held["mean"]
        table = nr.load("e.net").weights["embed.weight"]
        letters = [ord(c) - 33 for c in "ab"]  # the printable bytes are the first of the vocabulary
        np.testing.assert_allclose(results[0], table[letters].mean(axis=0), atol=1e-6)


def test_arrays_need_no_mask_either(here: Path) -> None:
    np.save("ids.npy", np.array([[1, 2, 3], [4, 5, 6]]))
    done("run", "e.net", "--input", "ids=ids.npy", "--save", "r.npz")
    with np.load("r.npz") as held:
        assert held["n"].tolist() == [3, 3]


def test_the_command_that_a_missing_input_suggests_works(here: Path) -> None:
    result = netrun("run", "e.net")
    assert result.exit_code == 3 and "needs data for its input `ids`" in result.output
    words = result.output.split("for example: netrun ")[1].split()
    done(*words)


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("predict", "p.net", "--out", "o.npz", "--data", "pictres.npz"), "did you mean `pictures.npz`?"),
        (("run", "p.net", "--input", "pictres.npy"), "did you mean `pictures.npz`?"),
        (("run", "p.net", "--input", "random", "--weights", "weight.npz"), "did you mean `weights.npz`?"),
    ],
)
def test_a_missing_file_is_reported_with_the_nearest(here: Path, words: tuple[str, ...], near: str) -> None:
    np.savez("pictures.npz", image=np.zeros((2, 1, 4, 4), np.float32))
    nr.write_weights("weights.npz", dict(nr.load("p.net").weights))
    result = netrun(*words)
    assert result.exit_code == 3 and near in result.output, result.output


@pytest.mark.parametrize(
    "words",
    [
        ("train", "p.net", "--no-save", "--data", "d.npz"),
        ("eval", "p.net", "--data", "d.npz"),
        ("predict", "p.net", "--out", "o.npz", "--data", "d.npz"),
        ("run", "p.net", "--input", "random"),
    ],
)
def test_a_size_that_does_not_exist(here: Path, words: tuple[str, ...]) -> None:
    np.savez("d.npz", image=np.zeros((4, 1, 4, 4), np.float32), label=np.zeros(4, np.int64))
    result = netrun(*words, "--size", "Q=3")
    assert result.exit_code in (2, 3) and "no free size `Q`" in result.output, result.output


def test_classes_of_folders(here: Path) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install netdsl[image]")
    from PIL import Image

    for name in ("ant", "bee", "cat"):
        (here / "photos" / name).mkdir(parents=True)
        for n in range(3):
            pixels = np.full((4, 4), 80 * n, np.uint8)
            Image.fromarray(pixels).save(here / "photos" / name / f"{name}{n}.png")
    output = done("train", "p.net", "--data", "photos", "--out", "run", "--plain")
    assert "`label` has 3 classes, `ant`, `bee`, `cat`, but the model has scores for 10" in output
    done("run", "p.net", "--input", "photos", "--weights", "run/last.safetensors", "--save", "r.json")
    items = json.loads((here / "r.json").read_text())["items"]
    assert [item["name"] for item in items] == [
        f"{c}{n}.png" for c in ("ant", "bee", "cat") for n in range(3)
    ]


def test_more_classes_than_there_are(here: Path) -> None:
    np.savez("d.npz", image=np.random.default_rng(0).normal(size=(4, 1, 4, 4)).astype(np.float32))
    output = done("predict", "p.net", "--data", "d.npz", "--out", "a.csv", "--top", "50")
    assert "`logits` has 10 classes: --top 50 saves all of them" in output
    head, *rows = csv.reader((here / "a.csv").read_text().splitlines())
    assert head[:3] == ["row", "class_1", "probability_1"] and len(head) == 21
    assert sum(float(cell) for cell in rows[0][2::2]) == pytest.approx(1, abs=1e-4)
