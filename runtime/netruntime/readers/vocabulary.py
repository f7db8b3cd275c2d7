"""Text as ids and ids as text: characters of a vocabulary, or the tokens of a `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.options import DataOptions
from netruntime.readers.tokenizers import Tokenizer, load_tokenizer

SPECIAL = ("<pad>", "<begin>", "<end>")
"""The first entries of a vocabulary of characters for translations."""

_BEGIN_TOKENS = ("[BOS]", "<s>", "<bos>", "<|startoftext|>", "<|endoftext|>", "[CLS]")
_END_TOKENS = ("[EOS]", "</s>", "<eos>", "<|endoftext|>", "[SEP]")


class Codec(Protocol):
    """Turns text into ids and back. `vocabulary` is None where a tokenizer keeps its own."""

    @property
    def vocabulary(self) -> tuple[str, ...] | None: ...
    @property
    def begin(self) -> int | None: ...
    @property
    def end(self) -> int | None: ...

    def encode(self, text: str, where: str) -> Array:
        """The ids of a text, i64 `[t]`; `where` names it in messages. Raises `DataInputError` E0838."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; those of padding, begin and end give none."""
        ...


@immutable
class Characters:
    """One id for each character, in the order of `vocabulary`."""

    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str], *, special: bool = False) -> Characters:
        """The characters of some texts, sorted; behind `SPECIAL` where translations need those."""
        found = sorted(set().union(*map(set, texts)))
        return cls((*(SPECIAL if special else ()), *found))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {character: n for n, character in enumerate(self.vocabulary)}

    @property
    def begin(self) -> int | None:
        return self._ids.get(SPECIAL[1])

    @property
    def end(self) -> int | None:
        return self._ids.get(SPECIAL[2])

    def encode(self, text: str, where: str) -> Array:
        try:
            return np.array([self._ids[character] for character in text], np.int64)
        except KeyError as unknown:
            raise self._unknown(text, unknown.args[0], where) from unknown

    def decode(self, ids: Iterable[int]) -> str:
        count = len(self.vocabulary)
        entries = (self.vocabulary[n] for n in ids if 0 <= n < count)
        return "".join(entry for entry in entries if entry not in SPECIAL)

    def _unknown(self, text: str, character: str, where: str) -> DataInputError:
        before = text[: text.index(character)]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = f"line {line}, column {column} of {where}" if "\n" in text else f"{where}, column {column},"
        message = (
            f"{place} has the character {shown(character)}, which is none of the {len(self.vocabulary)} "
            "of the vocabulary"
        )
        return DataInputError.make("E0838", message, help="the vocabulary is that of the training text")


@immutable
class TokenizerCodec:
    """The tokens of a `tokenizer.json`, without its special tokens."""

    tokenizer: Tokenizer
    begin: int | None
    end: int | None
    vocabulary: None = None

    def encode(self, text: str, where: str) -> Array:
        return np.array(self.tokenizer.encode(text, special=False), np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode([int(n) for n in ids if n >= 0])


def make_codec(options: DataOptions, texts: Sequence[str], *, special: bool = False) -> Codec:
    """The codec that the options ask for: a tokenizer, a given vocabulary, or the characters of the texts.

    Raises `DataInputError` E0815 for a tokenizer that cannot be read, and `MissingExtraError`.
    """
    if options.tokenizer is None:
        if options.vocabulary is not None:
            return Characters(options.vocabulary)
        return Characters.of(texts, special=special)
    tokenizer = load_tokenizer(options.tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    begin = options.begin if options.begin is not None else _first_id(tokenizer, _BEGIN_TOKENS)
    end = options.end if options.end is not None else _first_id(tokenizer, _END_TOKENS)
    return TokenizerCodec(tokenizer, begin, end)


def _first_id(tokenizer: Tokenizer, tokens: Sequence[str]) -> int | None:
    found = (tokenizer.token_to_id(token) for token in tokens)
    return next((int(number) for number in found if number is not None), None)
