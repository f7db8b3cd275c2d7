"""Vocabularies of models that generate, and text that grows token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.generation.text import GrowingText, find_codec, read_vocabulary, token_id


class Bytes:
    """A codec of single bytes."""

    vocabulary = None
    begin = end = None

    def encode(self, text: str, where: str) -> Any:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def decode(self, ids: Any) -> str:
        return bytes(ids).decode(errors="replace")


def test_text_grows_by_whole_characters() -> None:
    text = "a é 日本 😀!"
    codec = Bytes()
    growing = GrowingText(codec, codec.encode("before", ""))
    pieces = [growing.add(int(token)) for token in codec.encode(text, "")]
    pieces.append(growing.end())
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) == len(text)


def test_text_that_ends_within_a_character() -> None:
    growing = GrowingText(Bytes())
    assert [growing.add(token) for token in "é".encode()[:1]] == [""]
    assert growing.end() == "\ufffd"
    assert growing.end() == ""


def joined(codec: Any, before: list[int], tokens: list[int]) -> tuple[str, list[str]]:
    """The text of all tokens after others, and the pieces in which it comes."""
    growing = GrowingText(codec, before)
    pieces = [*map(growing.add, tokens), growing.end()]
    start = codec.decode(before)
    return codec.decode([*before, *tokens])[len(start) :], pieces


@pytest.mark.parametrize(
    "raw",
    [
        b"\xbf\xf0\x9f\x98\x80 ok",
        b"\xf0\x9f\xf0\x9f\x98\x80",
        b"\xff" * 9 + b"a",
        "e\u0301 \u0915\u094d\u0937 👩\u200d💻".encode(),
        "日本語".encode()[:-1],
        b"a" * 90 + b"\xe6\x97",
        bytes(range(256)),
    ],
)
def test_pieces_are_the_text(raw: bytes) -> None:
    for before in ("", "a", "é" * 40):
        text, pieces = joined(Bytes(), list(before.encode()), list(raw))
        assert "".join(pieces) == text
        assert text == raw.decode(errors="replace")


class Words:
    """A codec that joins words by spaces, and apostrophes with both neighbours, as word pieces are."""

    vocabulary = None
    begin = end = None
    words = ("it", "'", "s", "fine", ".", "a")

    def decode(self, ids: Any) -> str:
        text = " ".join(self.words[token] for token in ids)
        return text.replace(" ' ", "'").replace(" .", ".")


def test_pieces_of_joined_words_are_the_text() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        tokens = rng.integers(0, len(Words.words), 70).tolist()
        text, pieces = joined(Words(), [5, 5], [5, *tokens])
        assert "".join(pieces) == text


def test_vocabularies(tmp_path: Path) -> None:
    path = tmp_path / "vocab.json"
    path.write_text('["<pad>", "<begin>", "<end>", "a", "é", "7"]', encoding="utf-8")
    codec = read_vocabulary(path)
    assert codec.encode("éa", "x").tolist() == [4, 3]
    assert (codec.begin, codec.end) == (1, 2)
    assert token_id("7", codec, 6) == 5
    assert token_id("4", codec, 6) == 4
    assert token_id("<end>", codec, 6) == 2
    for name in ("6", "b", ""):
        with pytest.raises(nr.GenerationError, match="E1108"):
            token_id(name, codec, 6)
    found = find_codec(None, None, tmp_path / "best.safetensors")
    assert found is not None
    assert found.vocabulary == codec.vocabulary
    (tmp_path / "best.vocab.json").write_text('["x"]')
    own = find_codec(None, None, tmp_path / "best.safetensors")
    assert own is not None
    assert own.vocabulary == ("x",)
    assert find_codec(None, None, None) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ("{}", "is not a list"), ("[1]", "is not a list"), ('["a", "a"]', "`a` twice")],
)
def test_vocabularies_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "vocab.json"
    path.write_text(text)
    with pytest.raises(nr.GenerationError, match=f"E1106.*{words}"):
        read_vocabulary(path)
    with pytest.raises(nr.GenerationError, match=r"E1106.*cannot be read"):
        read_vocabulary(tmp_path / "none.json")
