"""Sentences through a tokenizer: padding, cutting, and what goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError, MissingExtraError
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input
from netruntime.readers.text import tokenize

WORDS = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "on", "mat"]
B, T = symbol("B"), symbol("T")
IDS = InputSpec("tokens", tensor("i64", B, T))


def tokenizer_file(
    folder: Path, *more: str, special: bool = False, padding: Any = None, truncation: int = 0
) -> Path:
    words = {word: n for n, word in enumerate([*WORDS, *more])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    if special:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    if padding:
        tokenizer.enable_padding(**padding)
    if truncation:
        tokenizer.enable_truncation(truncation)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def refusal(action: Any, *args: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(DataInputError) as caught:
        action(*args, **options)
    return caught.value.code, caught.value.diagnostics[0].message


def test_a_batch_is_padded_to_its_longest(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path, "[PAD]"))
    tokens = tokenize(["the cat sat", "mat"], options)
    assert tokens.ids.tolist() == [[3, 4, 5], [7, 8, 8]]
    assert tokens.keep.tolist() == [[True] * 3, [True, False, False]]
    assert (tokens.ids.dtype, tokens.keep.dtype) == ("int64", "bool")


def test_a_given_length_pads_and_cuts_and_keeps_the_closing_token(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path, "[PAD]", special=True), cut=True)
    tokens = tokenize(["the cat sat on mat", "mat"], options, length=4)
    assert tokens.ids.tolist() == [[1, 3, 4, 2], [1, 7, 2, 8]]
    assert tokens.keep.tolist() == [[True] * 4, [True, True, True, False]]


def test_a_limit_cuts_and_does_not_pad(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path), max_length=2, cut=True)
    assert tokenize(["the cat sat"], options).ids.tolist() == [[3, 4]]
    assert tokenize(["the"], options).ids.tolist() == [[3]]


def test_the_tokenizers_own_padding_is_told_from_real_tokens(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path, padding={"pad_id": 0, "pad_token": "[UNK]", "length": 9})
    tokens = tokenize(["the cat", "mat"], DataOptions(tokenizer=path))
    assert tokens.ids.tolist() == [[3, 4], [7, 0]]
    assert tokens.keep.tolist() == [[True, True], [True, False]]


def test_without_a_padding_token(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path)
    assert tokenize(["the cat", "a mat"], DataOptions(tokenizer=path)).ids.tolist() == [[3, 4], [0, 7]]
    assert refusal(tokenize, ["the cat", "mat"], DataOptions(tokenizer=path)) == (
        "E0816",
        "the sentences have different lengths, but the tokenizer has no padding token",
    )
    assert tokenize(["the cat", "mat"], DataOptions(tokenizer=path, pad=0)).ids.tolist() == [[3, 4], [7, 0]]


def test_text_as_an_input(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path, "[PAD]"))
    assert read_input("text:the cat", IDS, options).tolist() == [[3, 4]]
    one = InputSpec("tokens", tensor("i32", 3))
    assert read_input("text:the cat", one, options).tolist() == [3, 4, 8]
    lines = tmp_path / "x.txt"
    lines.write_text("the cat\n\nmat\n")
    assert read_input(str(lines), IDS, options).tolist() == [[3, 4], [7, 8]]
    assert refusal(read_input, str(lines), one, options) == (
        "E0816",
        "input `tokens` is i32[3], one sentence, but there are 2",
    )


def test_text_that_is_no_input(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path))
    floats = InputSpec("x", tensor("f32", B, T))
    assert refusal(read_input, "text:the", floats, options) == (
        "E0816",
        "input `x` is f32[B, T], but text is integers [B, T] or [T]",
    )
    path = tmp_path / "x.txt"
    path.write_bytes(b"\n \n")
    assert refusal(read_input, str(path), IDS, options) == ("E0816", f"`{path}` holds no sentences")
    path.write_bytes(b"\xff")
    assert refusal(read_input, str(path), IDS, options) == (
        "E0816",
        f"line 1 of `{path}` is not UTF-8 text: invalid start byte",
    )
    assert refusal(tokenize, [], options) == ("E0816", "there are no sentences to split into tokens")


def test_a_length_without_room(tmp_path: Path) -> None:
    options = DataOptions(tokenizer=tokenizer_file(tmp_path, special=True), cut=True)
    assert refusal(tokenize, ["the"], options, length=2) == (
        "E0816",
        "a length of 2 tokens leaves no room for text: the tokenizer adds 2 special ones",
    )


def test_tokenizers_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    assert refusal(tokenize, ["the"], DataOptions()) == (
        "E0815",
        "text needs a tokenizer",
    )
    assert refusal(tokenize, ["the"], DataOptions(tokenizer=path)) == (
        "E0815",
        f"cannot read the tokenizer `{path}`: No such file or directory",
    )
    for content in (b"{}", b"", b"\xff"):
        path.write_bytes(content)
        code, text = refusal(tokenize, ["the"], DataOptions(tokenizer=path))
        assert code == "E0815" and text.startswith(f"`{path}` is not a tokenizer.json that can be read: ")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tokenizer_file(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install .netdsl\[text\].$"):
        tokenize(["the"], DataOptions(tokenizer=path))


def test_rows_and_inputs_get_the_same_ids(tmp_path: Path) -> None:
    """Cut to a fixed length with the closing token kept, padded with the tokenizer's own token."""
    path = tokenizer_file(tmp_path, "[PAD]", special=True)
    sentences = ["the cat sat on mat", "mat"]
    (tmp_path / "x.txt").write_text("".join(f"{text}\n" for text in sentences))
    (tmp_path / "x.csv").write_text("tokens\n" + "".join(f"{text}\n" for text in sentences))
    wanted = InputSpec("tokens", tensor("i64", B, 4))
    options = DataOptions(tokenizer=path, cut=True)
    given = read_input(str(tmp_path / "x.txt"), wanted, options)
    rows = open_data(tmp_path / "x.csv", {"tokens": wanted.type}, options).rows([0, 1])["tokens"]
    assert given.tolist() == rows.tolist() == [[1, 3, 4, 2], [1, 7, 2, 8]]


def test_long_text_is_refused_alike(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path, "[PAD]", special=True)
    (tmp_path / "x.csv").write_text("tokens\nthe cat sat on mat\n")
    wanted = InputSpec("tokens", tensor("i64", B, 4))
    options = DataOptions(tokenizer=path, max_length=4)
    for refused in (
        refusal(read_input, "text:the cat sat on mat", wanted, options),
        refusal(open_data, tmp_path / "x.csv", {"tokens": IDS.type}, options),
    ):
        assert refused[0] == "E0840" and "is a sequence of 7, but 4 is the maximum" in refused[1]


def test_a_limit_replaces_the_truncation_of_the_tokenizer(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path, special=True, truncation=5)
    (tmp_path / "x.csv").write_text("tokens\nthe cat sat on mat\n")
    own = open_data(tmp_path / "x.csv", {"tokens": IDS.type}, DataOptions(tokenizer=path))
    assert own.rows([0])["tokens"].tolist() == [[1, 3, 4, 5, 2]]
    limited = DataOptions(tokenizer=path, max_length=6)
    for refused in (
        refusal(read_input, "text:the cat sat on mat", IDS, limited),
        refusal(open_data, tmp_path / "x.csv", {"tokens": IDS.type}, limited),
    ):
        assert refused[0] == "E0840" and "is a sequence of 7, but 6 is the maximum" in refused[1]
