"""Sentences as token numbers, through a `tokenizer.json` (the extra `text`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.opening import read_text_file
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.tokenizers import Tokenizer, load_tokenizer

TOO_LONG = "cut longer sequences (`--cut`), or leave them out of the data"

_USUAL_PADDING = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>")


@immutable
class Tokens:
    """A batch of sentences: `ids` is i64 [B, T]; `keep` is bool [B, T], true where a token is real."""

    ids: Array
    keep: Array


def tokenize(sentences: Sequence[str], options: DataOptions, *, length: int | None = None) -> Tokens:
    """The tokens of a batch of sentences, padded at the end to the longest, or to `length` exactly.

    Sentences longer than `length`, else than `options.max_length`, are refused, or where `options.cut` is set
    truncated, with the tokenizer's closing tokens kept. Without either, `tokenizer.json` itself decides.
    Raises `DataInputError`: E0815 for a tokenizer that is missing or cannot be read, E0816 for text that
    gives no batch, E0840 for a sentence that is too long, E0844 where the
    tokenizer fails; and `MissingExtraError`.
    """
    if not sentences:
        raise DataInputError.make("E0816", "there are no sentences to split into tokens")
    tokenizer = load_tokenizer(options.tokenizer)
    padding = tokenizer.padding
    tokenizer.no_padding()  # it would hide which tokens are real
    limit = length if length is not None else options.max_length
    if limit is not None:
        limit_tokens(tokenizer, limit, options.cut)
    rows = tokenizer.encode_batch(sentences)
    _check_lengths(rows, limit)
    width = max(map(len, rows)) if length is None else length
    pad = 0 if all(len(row) == width for row in rows) else _pad_id(tokenizer, padding, options)
    return _padded(rows, width, pad)


def read_text(sentences: Sequence[str], wanted: InputSpec, options: DataOptions) -> Array:
    """The ids of sentences for an input [B, T] or, for one sentence, [T]. Raises as `tokenize` does."""
    rank = wanted.type.rank
    if rank not in (1, 2) or not wanted.type.dtype.is_int:
        message = f"{wanted} is {wanted.type}, but text is integers [B, T] or [T]"
        raise wanted.refuse("E0816", message)
    if rank == 1 and len(sentences) != 1:
        message = f"{wanted} is {wanted.type}, one sentence, but there are {len(sentences)}"
        raise wanted.refuse("E0816", message)
    last = wanted.type.shape[-1]
    ids = tokenize(sentences, options, length=last.value if last.is_fixed else None).ids
    return ids[0] if rank == 1 else ids


def read_sentences(path: Path) -> list[str]:
    """The lines of a text file that are not blank. Raises `DataInputError` E0816 and `OSError`."""
    sentences = [line for line in read_text_file(path).split("\n") if line.strip()]
    if not sentences:
        raise DataInputError.make("E0816", f"{shown(path)} holds no sentences")
    return sentences


def _check_lengths(rows: Sequence[Sequence[int]], limit: int | None) -> None:
    """Raises `DataInputError` E0840 for a sentence longer than a limit that does not cut."""
    longest = max(range(len(rows)), key=lambda n: len(rows[n]))
    if limit is not None and len(rows[longest]) > limit:
        message = f"sentence {longest} is a sequence of {len(rows[longest])}, but {limit} is the maximum"
        raise DataInputError.make("E0840", message, help=TOO_LONG)


def limit_tokens(tokenizer: Tokenizer, limit: int, cut: bool) -> None:
    """Truncate to `limit` tokens if `cut`, else not at all, whatever `tokenizer.json` says.

    Raises `DataInputError` E0816 for a limit that leaves no room for text.
    """
    tokenizer.no_truncation()
    if not cut:
        return
    special = tokenizer.special_count()
    if limit <= special:
        message = (
            f"a length of {limit} tokens leaves no room for text: the tokenizer adds {special} special ones"
        )
        raise DataInputError.make("E0816", message)
    tokenizer.enable_truncation(limit)


def _pad_id(tokenizer: Tokenizer, padding: Mapping[str, Any] | None, options: DataOptions) -> int:
    if options.pad is not None:
        return options.pad
    number = _own_padding(tokenizer, padding)
    if number is not None:
        return number
    raise DataInputError.make(
        "E0816",
        "the sentences have different lengths, but the tokenizer has no padding token",
        help="give the number of the token to pad with, or one sentence at a time",
    )


def padding_id(options: DataOptions) -> int:
    """The id that fills shorter sequences: that of the options, the tokenizer's own, or 0."""
    if options.pad is not None or options.tokenizer is None:
        return options.pad or 0
    tokenizer = load_tokenizer(options.tokenizer)
    number = _own_padding(tokenizer, tokenizer.padding)
    return 0 if number is None else number


def _own_padding(tokenizer: Tokenizer, padding: Mapping[str, Any] | None) -> int | None:
    """The tokenizer's padding token; `padding` is what it says of itself."""
    if padding:
        return int(padding["pad_id"])
    numbers = (tokenizer.token_to_id(token) for token in _USUAL_PADDING)
    return next((int(number) for number in numbers if number is not None), None)


def _padded(rows: Sequence[Sequence[int]], width: int, pad: int) -> Tokens:
    ids = np.full((len(rows), width), pad, np.int64)
    keep = np.zeros((len(rows), width), np.bool_)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = row
        keep[n, : len(row)] = True
    return Tokens(ids, keep)
