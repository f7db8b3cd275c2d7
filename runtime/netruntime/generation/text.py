"""Text in generation: finds a model's codec, and decodes a growing sequence token by token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netruntime.data.beside import TOKENIZER, beside, read_names, vocabulary_beside
from netruntime.errors import DataInputError, GenerationError, shown
from netruntime.readers.options import DataOptions
from netruntime.readers.vocabulary import Characters, Codec, make_codec

_BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer returns for an incomplete character."""

_CONTEXT = 16
"""The tokens that are decoded before new ones."""


def find_codec(vocabulary: Path | None, tokenizer: Path | None, weights: str | Path | None) -> Codec | None:
    """The codec of a model, or None.

    It is the given vocabulary or tokenizer, or a file beside the weights:
    `NAME.vocab.json` for weights `NAME.safetensors`, or `tokenizer.json`, or `vocab.json`.

    Raises:
        GenerationError: E1106 for a vocabulary that cannot be read.
        DataInputError: E0815 for such a tokenizer, E0842 for a vocabulary beside the weights.
    """
    if tokenizer is not None:
        return _tokenizer(tokenizer)
    if vocabulary is not None:
        return _tokenizer(vocabulary) if vocabulary.name == TOKENIZER else read_vocabulary(vocabulary)
    if weights is None:
        return None
    characters = vocabulary_beside(weights)
    if characters is not None:
        return Characters(characters)
    found = beside(weights, TOKENIZER)
    return _tokenizer(found[-1]) if found else None


def _tokenizer(path: Path) -> Codec:
    return make_codec(DataOptions(tokenizer=path), ())


def read_vocabulary(path: Path) -> Codec:
    """A vocabulary: a JSON list of its entries, in the order of their ids. Raises `GenerationError` E1106."""
    try:
        return Characters(read_names(path, "the vocabulary"))
    except DataInputError as wrong:
        found = wrong.diagnostics[0]
        raise GenerationError.make("E1106", found.message, help=found.help) from None


def token_id(name: str, codec: Codec | None, size: int) -> int:
    """The id of a token, given as a number or as its text in the vocabulary.

    Raises `GenerationError` E1108 for an unknown token.
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
    """The text of a growing sequence of tokens, in pieces that later tokens do not change.

    A tokenizer may join a token with the one before it, and needs several tokens for some characters: what
    the last token added is therefore returned with the next one, and replacement characters once they are
    final.

    Args:
        before: The tokens before the text, such as the prompt: a token's text may depend on its predecessor.
    """

    def __init__(self, codec: Codec, before: Sequence[int] = ()) -> None:
        self._codec = codec
        self._tokens = [int(token) for token in before][-_CONTEXT:]
        self._before = self._emitted = codec.decode(self._tokens)
        """The text of the tokens before the last one, and what of it was returned or precedes the text."""

    def add(self, token: int) -> str:
        """The text that is final with this token; empty while a character is incomplete."""
        self._tokens.append(int(token))
        text = self._codec.decode(self._tokens)
        is_joined = self._codec.vocabulary is None
        final = _common_start(self._before, text).rstrip(_BROKEN) if is_joined else text
        self._before = text
        piece = self._emit(final)
        self._forget()
        return piece

    def end(self) -> str:
        """The remaining text at the end, even if incomplete."""
        return self._emit(self._before)

    def _emit(self, text: str) -> str:
        if len(text) <= len(self._emitted):
            return ""
        piece, self._emitted = text[len(self._emitted) :], text
        return piece

    def _forget(self) -> None:
        """Decode no more than the last tokens, from a point where all text before the last token is final."""
        if len(self._tokens) <= 2 * _CONTEXT:
            return
        *earlier, last = self._tokens[-_CONTEXT:]
        waiting = self._before[len(self._emitted) :]
        text = self._codec.decode([*earlier, last])
        if not waiting.startswith(_BROKEN) and text.endswith(waiting):
            self._tokens = [*earlier, last]
            self._before, self._emitted = text, text[: len(text) - len(waiting)]


def _common_start(a: str, b: str) -> str:
    count = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:count]


def text_after(codec: Codec, before: Sequence[int], tokens: Sequence[int]) -> str:
    """The text of tokens after others, as `GrowingText` returns it in pieces."""
    growing = GrowingText(codec, before)
    return "".join([*map(growing.add, tokens), growing.end()])
