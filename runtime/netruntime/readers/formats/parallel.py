"""Parallel text for translation: two files of as many lines, or one with a tab in each line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.opening import read_text_file
from netruntime.readers.options import DataOptions
from netruntime.readers.table import Column, ColumnTable, RaggedColumn, Role, table_of
from netruntime.readers.vocabulary import Codec, make_codec

LinePair = tuple[int, str, str]
"""A line's number, the source sentence and the target sentence."""


def read_parallel(paths: Sequence[Path], options: DataOptions) -> ColumnTable:
    """The columns `src`, `tgt` and `label`, sequences of ids: `tgt` is the begin id and the target's tokens,
    `label` the tokens and the end id, so that each element of `label` comes next after that of `tgt`.

    Without a tokenizer, ids are characters, both languages in one vocabulary: 0 pads, 1 begins and 2 ends.
    Raises `DataInputError`: E0833 for lines that are no pairs, E0813 for none at all, E0838 for a character
    that the vocabulary lacks; and `OSError`.
    """
    pairs = _one_file(paths[0]) if len(paths) == 1 else _two_files(paths[0], paths[1])
    if not pairs:
        raise DataInputError.make("E0813", f"{shown(paths[0])} holds no pairs of sentences")
    codec = make_codec(options, [text for _, *texts in pairs for text in texts], special=True)
    begin, end = _marks(codec, options)
    where = [shown(paths[0]), shown(paths[-1])]
    src = [codec.encode(text, f"line {line} of {where[0]}") for line, text, _ in pairs]
    tgt = [codec.encode(text, f"line {line} of {where[1]}") for line, _, text in pairs]
    lines = np.array([line for line, _, _ in pairs])

    def sequences(rows: Sequence[Sequence[int] | Array], where: str, role: Role) -> Column:
        return RaggedColumn.of(rows, np.int64, where, role, lines)

    columns: dict[str, Column] = {
        "src": sequences(src, where[0], "input"),
        "tgt": sequences([[begin, *row] for row in tgt], where[1], "input"),
        "label": sequences([[*row, end] for row in tgt], where[1], "label"),
    }
    return table_of(columns, " and ".join(dict.fromkeys(where)), vocabulary=codec.vocabulary)


def _two_files(source: Path, target: Path) -> list[LinePair]:
    left, right = (read_text_file(path).removesuffix("\n").split("\n") for path in (source, target))
    if len(left) != len(right):
        message = f"{shown(source)} has {len(left)} lines, but {shown(target)} has {len(right)}"
        raise DataInputError.make(
            "E0833", message, help="line n of one is the translation of line n of the other"
        )
    pairs = [(n, a.strip(), b.strip()) for n, (a, b) in enumerate(zip(left, right, strict=True), 1)]
    for line, a, b in pairs:
        if bool(a) != bool(b):
            empty, other = (source, target) if not a else (target, source)
            message = f"line {line} of {shown(empty)} is empty, but that of {shown(other)} is not"
            raise DataInputError.make("E0833", message)
    return [pair for pair in pairs if pair[1]]


def _one_file(path: Path) -> list[LinePair]:
    pairs = []
    for line, text in enumerate(read_text_file(path).split("\n"), 1):
        if not text.strip():
            continue
        parts = [part.strip() for part in text.split("\t")]
        if len(parts) != 2 or not all(parts):
            message = (
                f"line {line} of {shown(path)} has {len(parts)} parts{'' if all(parts) else ', one empty'}"
            )
            help = "each line is a sentence, one tab, and its translation"
            raise DataInputError.make("E0833", message, help=help)
        pairs.append((line, parts[0], parts[1]))
    return pairs


def _marks(codec: Codec, options: DataOptions) -> tuple[int, int]:
    """The ids that begin and end a translation."""
    begin = codec.begin if options.begin is None else options.begin
    end = codec.end if options.end is None else options.end
    if begin is None or end is None:
        what = "begins" if begin is None else "ends"
        raise DataInputError.make(
            "E0833",
            f"nothing says which token {what} a translation",
            help="take a tokenizer that has [BOS] and [EOS], or give the ids `begin` and `end` in Python",
        )
    return begin, end
