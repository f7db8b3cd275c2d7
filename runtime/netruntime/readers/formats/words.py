"""What columns of words become: numbered classes, or the ids of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.options import DataOptions
from netruntime.readers.table import DECIMAL_COMMA, ArrayColumn, Column, RaggedColumn
from netruntime.readers.text import limit_tokens
from netruntime.readers.tokenizers import load_tokenizer

Place = Callable[[int], str]


@immutable
class LineColumn(ArrayColumn):
    """Numbers from the lines of a text file; `lines` has each row's."""

    lines: Array | None = None

    def place(self, row: int) -> str:
        return super().place(row) if self.lines is None else f"line {self.lines[row]} of {self.source}"


def word_column(
    name: str, words: Sequence[str], source: str, place: Place, options: DataOptions
) -> tuple[Column, tuple[str, ...]]:
    """A column of words, and the names of its classes.

    With a tokenizer, a column of text that is not a label becomes token ids, with those that the tokenizer
    adds. Else each different word is a class, in alphabetical order, or in that of `class_names`, where a
    word that is none of them raises `DataInputError` E0831.
    """
    if options.tokenizer is not None and not options.is_label(name):
        return _token_column(words, source, options), ()
    classes = options.class_names or tuple(sorted(set(words)))
    numbers = {word: n for n, word in enumerate(classes)}
    for row, word in enumerate(words):
        if word not in numbers:
            raise _unknown(word, place(row), len(classes))
    return WordColumn(np.array([numbers[w] for w in words], np.int64), source, "label", place), classes


def _unknown(word: str, place: str, known: int) -> DataInputError:
    """E0831 for a word that is not a class of the training, or E0808, E0804 for one that is not a word."""
    if not word.strip():
        help = "fill the cell in, or leave the row out"
        return DataInputError.make("E0808", f"{place} is empty", help=help)
    if DECIMAL_COMMA.fullmatch(word.strip()):
        help = f"write numbers with a decimal point: {word.strip().replace(',', '.')}"
        return DataInputError.make("E0804", f"{place} holds {shown(word)}, with a decimal comma", help=help)
    message = f"{place} has the class {shown(word)}, which is none of the {known} known"
    return DataInputError.make("E0831", message, help="known classes are those of the training data")


@immutable
class WordColumn(ArrayColumn):
    """Numbered classes; `find` says where a row is."""

    find: Place | None = None

    def place(self, row: int) -> str:
        return self.find(row) if self.find else super().place(row)


def _token_column(texts: Sequence[str], source: str, options: DataOptions) -> Column:
    tokenizer = load_tokenizer(options.tokenizer)
    tokenizer.no_padding()
    if options.max_length is not None:
        limit_tokens(tokenizer, options.max_length, options.cut)
    rows = tokenizer.encode_batch(texts)
    return RaggedColumn.of(rows, np.int64, source, role="input")
