"""Weights are measured and used on data that is numbered and scaled as the training's was."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import netruntime as nr
from netruntime.cli.app import cli
from netruntime.data import DataOptions

pytest.importorskip("PIL", reason="Pillow is not installed: pip install netdsl[image]")

from click.testing import CliRunner, Result
from PIL import Image

PICTURES = """net 1.0
model Colours(image: f32[B, 3, 4, 4]) -> logits: f32[B, 3] { return image -> flatten -> fc: Linear(3) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
  optimizer = adam(lr=0.1)
  epochs = 6
}
"""

TEXT = """net 1.0
model Letters(ids: i32[B, T]) -> logits: f32[B, T, 4] { return ids -> e: Embedding(4, 8) -> o: Linear(4) }
train {
  input next: i32[B, T]
  loss = cross_entropy(logits, next)
  optimizer = adam(lr=0.1)
  epochs = 10
}
"""

CHANNELS = {"ant": 0, "bee": 1, "cat": 2}


def _photos(folder: Path, classes: str) -> Path:
    rng = np.random.default_rng(0)
    for name in classes.split():
        (folder / name).mkdir(parents=True)
        for n in range(6):
            picture = np.zeros((4, 4, 3), np.uint8)
            picture[..., CHANNELS.get(name, 0)] = rng.integers(180, 250)
            Image.fromarray(picture).save(folder / name / f"{n}.png")
    return folder


def _netrun(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.net").write_text(PICTURES)
    (tmp_path / "t.net").write_text(TEXT)
    return tmp_path


def test_a_folder_with_fewer_classes_has_their_numbers(here: Path) -> None:
    nr.fit("p.net", _photos(here / "all", "ant bee cat"), out="r")
    assert json.loads((here / "r/classes.json").read_text()) == ["ant", "bee", "cat"]
    found = nr.evaluate("p.net", _photos(here / "some", "bee cat"), "r/best.safetensors")
    assert found.figures[""]["accuracy"] == 1.0  # 0 where bee were class 0


def test_a_class_that_the_training_had_not_is_refused(here: Path) -> None:
    nr.fit("p.net", _photos(here / "all", "ant bee cat"), out="r")
    with pytest.raises(nr.DataInputError, match=r"`dog`.*`ant`, `bee`, `cat`"):
        nr.evaluate("p.net", _photos(here / "some", "bee cat dog"), "r/best.safetensors")


def test_predictions_name_the_classes_of_the_training(here: Path) -> None:
    nr.fit("p.net", _photos(here / "all", "ant bee cat"), out="r")
    _photos(here / "some", "cat")
    done = _netrun("predict", "p.net", "--data", "some", "--weights", "r/best.safetensors", "--out", "a.csv")
    assert done.exit_code == 0, done.output
    assert (here / "a.csv").read_text().splitlines()[1].startswith("0,some/cat/0.png,cat,")


def test_words_of_a_table_keep_their_numbers(here: Path) -> None:
    source = PICTURES.replace("f32[B, 3, 4, 4]", "f32[B, 2]").replace("image -> flatten", "image")
    (here / "w.net").write_text(source)
    rows = [(2, 0, "ant"), (0, 2, "bee"), (-2, -2, "cat")] * 20
    (here / "all.csv").write_text("image0,image1,label\n" + "".join(f"{a},{b},{w}\n" for a, b, w in rows))
    (here / "some.csv").write_text("image0,image1,label\n0,2,bee\n-2,-2,cat\n")
    nr.fit("w.net", "all.csv", out="r", epochs=20)
    assert nr.evaluate("w.net", "some.csv", "r/best.safetensors").figures[""]["accuracy"] == 1.0


def test_characters_keep_their_numbers(here: Path) -> None:
    (here / "all.txt").write_text("abcd" * 100)
    (here / "some.txt").write_text("bcd")
    nr.fit("t.net", "all.txt", out="r", options=DataOptions(window=2), epochs=20)
    found = nr.evaluate("t.net", "some.txt", "r/best.safetensors", options=DataOptions(window=2))
    assert found.figures[""]["loss"] < 0.1  # above 1 where b were character 0
    (here / "other.txt").write_text("bcx")
    with pytest.raises(nr.DataInputError, match="E0838"):
        nr.evaluate("t.net", "other.txt", "r/best.safetensors", options=DataOptions(window=2))


def test_the_vocab_of_a_tokenizer_is_left_alone(here: Path) -> None:
    nr.fit("p.net", _photos(here / "all", "ant bee cat"), out="r")
    (here / "r/vocab.json").write_text('{"hello": 0}')
    (here / "r/tokenizer.json").write_text("{}")
    assert nr.evaluate("p.net", here / "all", "r/best.safetensors").rows == 18


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '["a", "a"]'])
def test_a_damaged_list_of_classes_is_told(here: Path, text: str) -> None:
    nr.fit("p.net", _photos(here / "all", "ant bee cat"), out="r")
    (here / "r/classes.json").write_text(text)
    with pytest.raises(nr.DataInputError, match=r"E0842.*classes.json"):
        nr.evaluate("p.net", here / "all", "r/best.safetensors")


def test_the_commands_of_the_card_work_where_pictures_were_normalised(here: Path) -> None:
    _photos(here / "all", "ant bee cat")
    trained = _netrun("train", "p.net", "--data", "all", "--holdout", "0.3", "--augment", "flip,normalise",
                      "--out", "r", "--json")  # fmt: skip
    best = max(json.loads(trained.stdout)["epochs"], key=lambda epoch: epoch["valid"][""]["accuracy"])
    measure, look = re.findall(r"^netrun (eval .*|run .*)$", (here / "r/card.md").read_text(), re.MULTILINE)
    measured = _netrun(*shlex.split(measure), "--json")
    assert measured.exit_code == 0, measured.output
    assert json.loads(measured.stdout)["figures"][""] == pytest.approx(best["valid"][""])
    shown = _netrun(*shlex.split(look.replace("FILE", "all/cat/0.png")))
    assert shown.exit_code == 0, shown.output
    assert "--mean" not in look  # the weights say it, for bytes and floats alike


def test_normalise_without_numbers_says_what_to_give(here: Path) -> None:
    with pytest.raises(nr.DataInputError, match="E0836") as failed:
        nr.evaluate("p.net", _photos(here / "all", "ant bee cat"), augment="normalise")
    assert "card.md" in str(failed.value)


def test_layers_of_the_section_itself_do_not_keep_its_weights_from_being_used(here: Path) -> None:
    source = PICTURES.replace(
        "cross_entropy(logits, label)", "cross_entropy((logits -> head: Linear(3)), label)"
    )
    (here / "h.net").write_text(source)
    trained = nr.fit("h.net", _photos(here / "all", "ant bee cat"), out="r", epochs=1)
    assert "train.loss.head.weight" in trained.weights
    image = np.ones((1, 3, 4, 4), np.float32)
    loaded = nr.load("h.net", "r/best.safetensors")
    assert (trained.network()(image=image) == loaded(image=image)).all()
    done = _netrun("predict", "h.net", "--data", "all", "--weights", "r/best.safetensors", "--out", "a.csv")
    assert done.exit_code == 0, done.output


def test_a_text_is_numbered_as_for_the_weights_it_starts_from(tmp_path: Path) -> None:
    source = """net 1.0
model Chars(ids: i32[B, T]) -> logits: f32[B, T, 6] { return ids -> embed: Embedding(6, 4) -> out: Linear(6) }
train {
  input next: i32[B, T]
  loss = cross_entropy(logits, next)
  epochs = 1
}
"""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("abcdef" * 40)
    second.write_text("fed" * 60)
    nr.fit(source, str(first), out=tmp_path / "a", options=DataOptions(window=8))
    weights = str(tmp_path / "a" / "last.safetensors")
    nr.fit(source, str(second), out=tmp_path / "b", weights=weights, options=DataOptions(window=8))
    nr.fit(source, str(second), out=tmp_path / "b", resume=True, epochs=2, options=DataOptions(window=8))
    names = [(tmp_path / run / "vocab.json").read_text() for run in "ab"]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("cell", "code", "words"),
    [
        ("", "E0808", "column `b` is empty"),
        ("1,5", "E0804", "column `b` holds `1,5`, with a decimal comma(.|\n)*decimal point: 1.5"),
        ("bird", "E0831", "has the class `bird`, which is none of the 2 known"),
    ],
)
def test_a_cell_that_is_no_number_after_training_on_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, code: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.net").write_text(
        "net 1.0\nmodel T(x: f32[B, 2]) -> logits: f32[B, 2] { return x -> fc: Linear(2) }\ntrain {\n"
        "  input label: i32[B]\n  loss = cross_entropy(logits, label)\n  optimizer = sgd(0.1)\n}\n"
    )
    Path("d.csv").write_text("a;b;label\n1;2;cat\n3;4;dog\n")
    nr.fit("t.net", "d.csv", out="run", epochs=1)
    Path("new.csv").write_text(f"a;b\n1;{cell}\n")
    with pytest.raises(nr.DataInputError, match=words) as caught:
        nr.predict("run", "new.csv")
    assert caught.value.code == code


def test_an_evaluation_draws_no_weights_beside_trained_ones() -> None:
    """Those of another network that has some of the names, as a run of a deeper one has."""
    text = """net 1.0
model M(x: f32[B, 4]) -> y: f32[B, 2] { return x -> a: Linear(4) -> b: Linear(2) }
train {
  input label: i32[B]
  loss = cross_entropy(y, label)
}
"""
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(8, 4)).astype("f"), "label": np.arange(8, dtype="i4") % 2}
    weights = {"a.weight": np.eye(4, dtype="f"), "a.bias": np.zeros(4, "f")}
    with pytest.raises(nr.WeightsError, match=r"E0721(.|\n)*`b\.weight`") as caught:
        nr.evaluate(text, data, {**weights, "c.weight": np.zeros((4, 2), "f")})
    assert "`c.weight`" in str(caught.value)
    whole = {**weights, "b.weight": np.eye(4, 2, dtype="f"), "b.bias": np.zeros(2, "f")}
    assert (
        nr.evaluate(text, data, whole).rows == nr.evaluate(text, data, {**whole, "c": np.zeros(1)}).rows == 8
    )
