"""Text for models that generate: which codec belongs to a model, and text that grows token by token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from netruntime.data.options import DataOptions
from netruntime.data.vocabulary import Characters, Codec, make_codec
from netruntime.errors import GenerationError, shown

_VOCABULARY, _TOKENIZER = "vocab.json", "tokenizer.json"
_BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer gives for a character of which bytes are missing."""

_MOST_BYTES = 4
"""Of a character in UTF-8, and so the most tokens that one is spread over."""


def find_codec(vocabulary: Path | None, tokenizer: Path | None, weights: str | Path | None) -> Codec | None:
    """The codec of a model; None where there is none.

    It is that of the vocabulary or the tokenizer that is named, or what lies beside the weights:
    `NAME.vocab.json` for weights `NAME.safetensors`, or `vocab.json`, or `tokenizer.json`.

    Raises:
        GenerationError: E1106 for a vocabulary that cannot be read.
        DataInputError: E0815 for such a tokenizer.
    """
    if tokenizer is not None:
        return _tokenizer(tokenizer)
    for path in [vocabulary] if vocabulary else _beside(weights):
        return _tokenizer(path) if path.name == _TOKENIZER else read_vocabulary(path)
    return None


def _beside(weights: str | Path | None) -> list[Path]:
    if weights is None:
        return []
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    names = [path.with_suffix("").name + f".{_VOCABULARY}", _VOCABULARY, _TOKENIZER]
    return [folder / name for name in names if (folder / name).is_file()]


def _tokenizer(path: Path) -> Codec:
    return make_codec(DataOptions(tokenizer=path), ())


def read_vocabulary(path: Path) -> Codec:
    """A vocabulary: a JSON list of its entries, in the order of their ids. Raises `GenerationError` E1106."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise _bad(path, f"cannot be read: {reason.strerror or reason}") from None
    except ValueError as wrong:
        raise _bad(path, f"is not JSON: {wrong}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry for entry in entries):
        raise _bad(path, "is not a list of texts")
    if len(set(entries)) != len(entries):
        twice = next(entry for n, entry in enumerate(entries) if entry in entries[:n])
        raise _bad(path, f"has the entry {shown(twice)} twice")
    return Characters(tuple(entries))


def _bad(path: Path, what: str) -> GenerationError:
    help = 'a vocabulary is a JSON list such as ["a", "b"], in the order of the ids'
    return GenerationError.make("E1106", f"the vocabulary {shown(path)} {what}", help=help)


def token_id(name: str, codec: Codec | None, size: int) -> int:
    """The id of a token by its number, or by what it is in the vocabulary.

    Raises `GenerationError` E1108 where there is no such token.
    """
    if codec is not None and codec.vocabulary is not None and name in codec.vocabulary:
        return codec.vocabulary.index(name)
    if name.isascii() and name.isdigit() and int(name) < size:
        return int(name)
    if codec is not None and codec.vocabulary is None:
        found = [] if not name else codec.encode(name, "the token").tolist()
        if len(found) == 1:
            return int(found[0])
    help = f"give a number from 0 to {size - 1}, or a token of the vocabulary"
    raise GenerationError.make("E1108", f"there is no token {shown(name)}", help=help)


class GrowingText:
    """The text of a growing sequence of tokens, in pieces that hold only whole characters.

    Args:
        before: Tokens that the text follows, such as the prompt: a token's text may depend on the one before.
    """

    def __init__(self, codec: Codec, before: Sequence[int] = ()) -> None:
        self._codec = codec
        self._tokens = [int(token) for token in before]
        self._start = max(len(self._tokens) - _MOST_BYTES, 0)
        self._told = len(self._tokens)

    def add(self, token: int) -> str:
        """The text that is certain once this token has come; empty where a character waits for its rest."""
        self._tokens.append(token)
        return self._new(last=False)

    def end(self) -> str:
        """What is left at the end, be it whole or not."""
        return self._new(last=True)

    def _new(self, last: bool) -> str:
        told = self._codec.decode(self._tokens[self._start : self._told])
        text = self._codec.decode(self._tokens[self._start :])
        waiting = len(self._tokens) - self._told
        if len(text) <= len(told) or (text.endswith(_BROKEN) and waiting < _MOST_BYTES and not last):
            return ""
        self._start, self._told = self._told, len(self._tokens)
        return text[len(told) :]
