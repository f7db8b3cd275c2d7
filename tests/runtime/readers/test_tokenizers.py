"""Tokenizers that panic, fail on a text, or make it endless: each is an error that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError
from netruntime.readers import tokenizers
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input
from netruntime.readers.text import tokenize
from netruntime.readers.tokenizers import load_tokenizer
from netruntime.readers.vocabulary import make_codec

pytest.importorskip("tokenizers")

B, T = symbol("B"), symbol("T")
IDS = tensor("i32", B, T)


def definition(**parts: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder")
    )
    model = {"type": "WordLevel", "vocab": {"to": 0, "be": 1, "[UNK]": 2}, "unk_token": "[UNK]"}
    return {"version": "1.0", "added_tokens": [], **empty, "model": model, **parts}


def replacement(content: str, **pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


SPACES = {"type": "Whitespace"}
TEMPLATE = {"type": "TemplateProcessing", "pair": [], "special_tokens": {}}
REPEATS = definition(post_processor={**TEMPLATE, "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 11})
PROMISES = definition(normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="})
NO_UNKNOWN = definition(
    model={"type": "WordLevel", "vocab": {"to": 0}, "unk_token": "[UNK]"}, pre_tokenizer=SPACES
)
BACKTRACKING = definition(
    pre_tokenizer={
        "type": "Split",
        "pattern": {"Regex": "(x+x+)+y"},
        "behavior": "Isolated",
        "invert": False,
    }
)
PANICS = definition(
    model={
        "type": "BPE",
        "vocab": {"a": 0, "b": 1},
        "merges": [["a", "b"]],
        "continuing_subword_prefix": "##" * 9,
    }
)
GROWS = definition(normalizer={"type": "Sequence", "normalizers": [replacement("o" * 10, String="o")] * 12})
GROWS_AT_ONCE = definition(normalizer=replacement("o" * 2000, Regex="."))


def written(folder: Path, content: Any) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


USES: dict[str, Callable[[Path, str], object]] = {
    "tokenize": lambda path, text: tokenize([text], DataOptions(tokenizer=path)),
    "input": lambda path, text: read_input(
        f"text:{text}", InputSpec("ids", IDS), DataOptions(tokenizer=path)
    ),
    "codec": lambda path, text: make_codec(DataOptions(tokenizer=path), ()).encode(text, "the text"),
    "data": lambda path, text: open_data(
        str(table(path.parent, text)), {"ids": IDS}, DataOptions(tokenizer=path)
    ),
}


def table(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(f"ids\n{text}\n{text}\n")
    return path


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(
    ("content", "text", "words"),
    [
        (NO_UNKNOWN, "or not", r"Missing \[UNK\] token"),
        (BACKTRACKING, "x" * 50, "retry-limit"),
        (GROWS, "to be o", r"`normalizer` can make a text 1e\+12 times as long"),
        (GROWS_AT_ONCE, "to be", r"2e\+03 times as long"),
        (REPEATS, "to be", r"`post_processor` can make a text 11 times as long, more than 10 times"),
        (PROMISES, "to be", "its `precompiled_charsmap` promises 4,294,967,295 bytes, but has 0"),
    ],
)
def test_every_use_of_a_tokenizer_that_fails(
    use: Callable[[Path, str], object],
    content: Any,
    text: str,
    words: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataInputError, match=words) as caught:
        use(path, text)
    assert caught.value.code == "E0844" and str(path) in str(caught.value)
    assert "panicked" not in capfd.readouterr().err


SLOW = {"type": "Split", "pattern": {"Regex": "(e+)+t"}, "behavior": "Isolated", "invert": False}
"""Each word of 21 letters takes 2 million steps, which is below the limit of one match."""
SLOWLY_JOINED = definition(decoder=replacement("", Regex="(e+)+t"))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_patterns_that_take_too_long(
    use: Callable[[Path, str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizers, "SECONDS", 0.1)
    path = written(tmp_path, definition(pre_tokenizer=SLOW))
    with pytest.raises(DataInputError, match=r"E0844.*its patterns take more than 0 s for \d+ characters"):
        use(path, f"{'e' * 21} " * 20)


def test_a_decoder_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = {"e" * 21 + " ": 0, "[UNK]": 1}
    slow = {**SLOWLY_JOINED, "model": {**SLOWLY_JOINED["model"], "vocab": vocabulary}}
    tokenizer = load_tokenizer(written(tmp_path, slow))
    monkeypatch.setattr(tokenizers, "SECONDS", 0.1)
    with pytest.raises(DataInputError, match=r"E0844.*take more than"):
        tokenizer.decode([0] * 20)


def test_patterns_in_time(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(
        written(tmp_path, definition(pre_tokenizer={**SLOW, "pattern": {"Regex": " "}}))
    )
    assert tokenizer.encode("to be") == tokenizer.encode_batch(["to be"])[0] == [0, 2, 1]
    assert tokenizer.decode([0, 1]) == "to be"


def test_a_file_that_panics(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, PANICS)
    with pytest.raises(DataInputError) as caught:
        load_tokenizer(path)
    assert caught.value.code == "E0815" and str(path) in str(caught.value)
    assert "panicked" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", "[" * 100_000, '{"model": 1}'],
)
def test_what_is_not_a_tokenizer(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataInputError) as caught:
        load_tokenizer(written(tmp_path, content))
    assert caught.value.code == "E0815"


def test_other_reports_are_not_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Only what is written during a call that fails is dropped."""
    path = written(tmp_path, definition(pre_tokenizer=SPACES))
    assert tokenize(["to be or"], DataOptions(tokenizer=path)).ids.tolist() == [[0, 1, 2]]
    import os

    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
