"""Texts as windows for language models, and parallel texts for translation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data, split
from netruntime.errors import DataInputError
from netruntime.readers.vocabulary import make_codec

LM = wants(ids="i32[B, T]", label="i32[B, T]")
PAIRS = wants(
    src="i32[B, S]", tgt="i32[B, T]", src_keep="bool[B, S]", tgt_keep="bool[B, T]", next="i32[B, T]"
)


def text(folder: Path, content: str, name: str = "t.txt") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def fails(code: str, spec: object, want: object = LM, **options: object) -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(spec, want, DataOptions(**options))  # type: ignore[call-overload,arg-type]
    assert failed.value.code == code, failed.value
    return str(failed.value)


def test_windows_of_characters(tmp_path: Path) -> None:
    dataset = open_data(text(tmp_path, "abcabdabc"), LM, DataOptions(window=3))
    assert dataset.vocabulary == ("a", "b", "c", "d") and len(dataset) == 2
    rows = dataset.rows([1, 0])
    np.testing.assert_array_equal(rows["ids"], [[0, 1, 3], [0, 1, 2]])
    np.testing.assert_array_equal(rows["label"], [[1, 3, 0], [1, 2, 0]])
    assert dataset.notes[0] == "9 characters (4 different ones), in windows of 3, one every 3"
    assert dataset.place("ids", 1).startswith("the window from position 3 of ")


def test_the_window_of_the_model_and_its_stride(tmp_path: Path) -> None:
    path = text(tmp_path, "abcabdabc")
    dataset = open_data(path, wants(ids="i32[B, 4]", next="i32[B, 4]"), DataOptions(stride=1))
    assert len(dataset) == 5 and dataset.columns["ids"].shape == (4,)
    assert "needs 10" in fails("E0816", path, window=9)
    fails("E0818", path, window=-1)


def test_a_character_that_is_new(tmp_path: Path) -> None:
    path = text(tmp_path, "ab\nabz\n" * 9)
    message = fails("E0838", path, vocabulary=("a", "b", "\n"), window=2)
    assert "line 2, column 3 of" in message and "`z`" in message


def test_text_that_is_none(tmp_path: Path) -> None:
    fails("E0813", text(tmp_path, ""))
    (tmp_path / "t.txt").write_bytes(b"abc\nde\xff")
    assert "line 2 of" in fails("E0816", tmp_path / "t.txt")


def test_the_end_of_a_text_is_held_out(tmp_path: Path) -> None:
    path = text(tmp_path, "abcdefghij" * 10)
    plain = open_data(path, LM, DataOptions(window=5))
    train, valid = split(plain, 0.25)
    np.testing.assert_array_equal(valid.indices, np.arange(14, 19))
    assert len(train) == 14
    overlapping = open_data(path, LM, DataOptions(window=5, stride=2))
    train, valid = split(overlapping, 0.25)
    last = int(train.indices[-1]) * 2 + 5
    assert last <= valid.indices[0] * 2 + 1, "no id of a held-out window is learnt from"


def tokenizer_file(folder: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "good": 3, "bad": 4, "film": 5, "[UNK]": 6}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def test_windows_of_tokens(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path), window=2)
    dataset = open_data(text(tmp_path, "good film bad film good"), LM, options)
    np.testing.assert_array_equal(dataset.rows([0, 1])["ids"], [[3, 5], [4, 5]])
    assert dataset.vocabulary is None


def test_a_table_of_sentences(tmp_path: Path) -> None:
    path = text(tmp_path, "text,mood\ngood film,good\nbad,bad\n", "t.csv")
    want = wants(ids="i32[B, T]", keep="bool[B, T]", segment="i32[B, T]", label="i32[B]")
    names = frozenset({"label", "mood"})
    dataset = open_data(path, want, DataOptions(tokenizer=tokenizer_file(tmp_path), label_names=names))
    rows = dataset.rows([1, 0])
    np.testing.assert_array_equal(rows["ids"], [[1, 4, 2, 0], [1, 3, 5, 2]])
    np.testing.assert_array_equal(rows["keep"], [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(rows["segment"], np.zeros((2, 4)))
    np.testing.assert_array_equal(rows["label"], [0, 1])


# -- translation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["tsv", "two", "named"])
def test_translations(tmp_path: Path, how: str) -> None:
    text(tmp_path, "ab\txy\n\nb\ty\n", "pairs.tsv")
    text(tmp_path, "ab\nb\n", "a.en")
    text(tmp_path, "xy\ny\n", "a.de")
    specs = {
        "tsv": str(tmp_path / "pairs.tsv"),
        "two": [str(tmp_path / "a.en"), str(tmp_path / "a.de")],
        "named": f"src={tmp_path}/a.en tgt={tmp_path}/a.de",
    }
    dataset = open_data(specs[how], PAIRS)
    assert dataset.vocabulary == ("<pad>", "<begin>", "<end>", "a", "b", "x", "y")
    rows = dataset.rows([0, 1])
    np.testing.assert_array_equal(rows["src"], [[3, 4], [4, 0]])
    np.testing.assert_array_equal(rows["tgt"], [[1, 5, 6], [1, 6, 0]])
    np.testing.assert_array_equal(rows["next"], [[5, 6, 2], [6, 2, -1]])
    np.testing.assert_array_equal(rows["src_keep"], [[True, True], [True, False]])
    np.testing.assert_array_equal(rows["tgt_keep"], [[True] * 3, [True, True, False]])
    np.testing.assert_array_equal(dataset.lengths(), [3, 2])


def test_validation_in_the_vocabulary_of_training(tmp_path: Path) -> None:
    train = open_data(text(tmp_path, "ab\txy\n", "pairs.tsv"), PAIRS)
    options = DataOptions(vocabulary=train.vocabulary)
    valid = open_data(text(tmp_path, "b\tx\n", "v.tsv"), PAIRS, options)
    np.testing.assert_array_equal(valid.rows([0])["tgt"], [[1, 5]])
    codec = make_codec(options, [])
    assert codec.decode([1, 5, 6, 2, 0, -1]) == "xy"


def test_lines_that_are_no_pairs(tmp_path: Path) -> None:
    path = text(tmp_path, "a\tb\nc\n", "p.txt")
    assert (
        "line 2 of" in (m := fails("E0833", [str(path)], wants(src="i32[B, S]", tgt="i32[B, T]")))
        and "1 parts" in m
    )
    one, two = text(tmp_path, "a\nb\n", "a.en"), text(tmp_path, "a\n", "a.de")
    assert "has 2 lines, but" in (m := fails("E0833", [str(one), str(two)], PAIRS)) and "has 1" in m
    text(tmp_path, "a\n\n", "a.de")
    assert "line 2 of" in (m := fails("E0833", [str(one), str(two)], PAIRS)) and "is empty" in m
    assert "begins a translation" in fails("E0833", [str(one), str(one)], PAIRS, vocabulary=("a", "b"))


def test_sequences_that_are_too_long(tmp_path: Path) -> None:
    path = text(tmp_path, "a\tb\nabcd\tb\n", "p.tsv")
    message = fails("E0840", path, PAIRS, max_length=3)
    assert "line 2 of" in message and "a sequence of 4, but 3 is the maximum for `src`" in message
    rows = open_data(path, PAIRS, DataOptions(max_length=3, cut=True)).rows([0, 1])
    assert rows["src"].shape == (2, 3) and rows["src_keep"].sum() == 4
    fixed = wants(src="i32[B, 3]", tgt="i32[B, 3]", next="i32[B, 3]")
    fails("E0840", path, fixed)
    assert open_data(text(tmp_path, "a\tb\n", "q.tsv"), fixed).rows([0])["src"].shape == (1, 3)
