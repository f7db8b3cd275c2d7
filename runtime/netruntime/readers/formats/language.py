"""A text as windows for a language model: ids, and the ids that come next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.opening import read_text_file
from netruntime.readers.formats.words import word_column
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DEFAULT_WINDOW, DataOptions
from netruntime.readers.table import Column, ColumnInfo, ColumnTable, Role, table_of
from netruntime.readers.text import read_sentences
from netruntime.readers.vocabulary import make_codec


def read_language(path: Path, wanted: Sequence[InputSpec], options: DataOptions) -> ColumnTable:
    """The columns `ids` and `next`, i64 `[N, T]`: windows of a text, and the same one id further on.

    T is that of the model's input where it is fixed, else `options.window`, else 64. Windows begin every
    `options.stride` ids. Raises `DataInputError`: E0813 for an empty file, E0816 for a text that is too
    short, E0838 for a character that the vocabulary lacks, E0818 for an impossible window; and `OSError`.
    """
    text = read_text_file(path)
    if not text:
        raise DataInputError.make("E0813", f"{shown(path)} holds no text")
    codec = make_codec(options, [text])
    ids = codec.encode(text, shown(path))
    width, stride = _window(wanted, options)
    if len(ids) <= width:
        message = f"{shown(path)} has {len(ids)} ids, but one window with its next id needs {width + 1}"
        raise DataInputError.make("E0816", message, help="give a longer text, or a shorter `--window`")
    columns: dict[str, Column] = {
        "ids": WindowColumn(ids, width, stride, 0, shown(path), "input"),
        "next": WindowColumn(ids, width, stride, 1, shown(path), "label"),
    }
    what = "tokens" if codec.vocabulary is None else f"characters ({len(codec.vocabulary)} different ones)"
    note = f"{len(ids)} {what}, in windows of {width}, one every {stride}"
    return table_of(
        columns, shown(path), vocabulary=codec.vocabulary, notes=(note,), overlap=-(-width // stride) - 1
    )


def read_lines(path: Path, options: DataOptions) -> ColumnTable:
    """The column `ids`: the tokens of each line that is not blank, with those that the tokenizer adds.

    Raises `DataInputError` E0816 for a file without any, and as `word_column`; and `OSError`.
    """
    column, _ = word_column("ids", read_sentences(path), shown(path), lambda row: f"row {row}", options)
    return table_of({"ids": column}, shown(path))


@immutable
class WindowColumn:
    """Windows of `width` ids, the first at `shift`, one every `stride`."""

    ids: Array
    width: int
    stride: int
    shift: int
    source: str
    role: Role

    @property
    def info(self) -> ColumnInfo:
        return ColumnInfo("i64", (self.width,), self.source, role=self.role)

    @property
    def is_ready(self) -> bool:
        return True

    def __len__(self) -> int:
        return (len(self.ids) - 1 - self.width) // self.stride + 1

    def take(self, indices: Array) -> Array:
        result: Array = self.ids[indices[:, None] * self.stride + self.shift + np.arange(self.width)]
        return result

    def lengths(self) -> None:
        return None

    def place(self, row: int) -> str:
        return f"the window from position {row * self.stride + self.shift} of {self.source}"


def _window(wanted: Sequence[InputSpec], options: DataOptions) -> tuple[int, int]:
    fixed = {
        type.shape[1].value
        for type in (spec.type for spec in wanted)
        if type.rank == 2 and type.dtype.is_int and type.shape[1].is_fixed
    }
    width = options.window or (fixed.pop() if len(fixed) == 1 else DEFAULT_WINDOW)
    stride = options.stride or width
    if width < 1 or stride < 1:
        message = f"windows of {width}, one every {stride}, cannot be made"
        raise DataInputError.make("E0818", message, help="both are at least 1")
    return width, stride
