"""`.parquet` files, through pyarrow (the extra `parquet`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netruntime.errors import DataInputError, need_extra, shown
from netruntime.files.arrays import Array
from netruntime.readers.formats.words import word_column
from netruntime.readers.options import DataOptions
from netruntime.readers.table import ArrayColumn, Column, ColumnTable, RaggedColumn, table_of


def read_parquet(path: Path, options: DataOptions) -> ColumnTable:
    """The columns of a table: numbers, words (`tables.word_column`), and lists of numbers, also nested.

    Lists of one length become arrays `[N, length]`, others sequences. Raises `DataInputError` E0808 for what
    is not a parquet file, missing values, and columns of another kind; `MissingExtraError`, `OSError`.
    """
    parquet = need_extra("pyarrow.parquet", "parquet", "reading parquet files")
    arrow = need_extra("pyarrow", "parquet", "reading parquet files")
    try:
        table = parquet.read_table(path, memory_map=True)
    except (arrow.ArrowException, ValueError) as wrong:
        reason = str(wrong).partition("\n")[0]
        raise DataInputError.make("E0808", f"{shown(path)} cannot be read as parquet: {reason}") from wrong
    columns: dict[str, Column] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for name in table.column_names:
        source = f"{shown(path)}, column {shown(name)}"
        columns[name], names = _column(table.column(name).combine_chunks(), name, source, arrow, options)
        classes |= {name: names} if names else {}
    return table_of(columns, shown(path), classes=classes)


def _column(
    values: Any, name: str, source: str, arrow: Any, options: DataOptions
) -> tuple[Column, tuple[str, ...]]:
    kinds = arrow.types
    if values.null_count:
        row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
        help = "fill the missing values, or leave those rows out"
        raise DataInputError.make("E0808", f"row {row} of {source} has no value", help=help)
    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kinds.is_string(values.type) or kinds.is_large_string(values.type):
        words = values.to_pylist()
        return word_column(name, words, source, lambda row: f"row {row} of {source}", options)
    if _is_list(values.type, arrow):
        return _list_column(values, source, arrow), ()
    return ArrayColumn(_plain(values, source, arrow), source), ()


def _plain(values: Any, source: str, arrow: Any) -> Array:
    kinds = arrow.types
    if not (kinds.is_integer(values.type) or kinds.is_floating(values.type) or kinds.is_boolean(values.type)):
        message = f"{source} holds {values.type}, but netdsl only reads numbers, words and lists of numbers"
        raise DataInputError.make("E0808", message)
    if values.null_count:
        raise DataInputError.make("E0808", f"a list in {source} has an element without a value")
    result: Array = values.to_numpy(zero_copy_only=False)
    return result


def _list_column(values: Any, source: str, arrow: Any) -> Column:
    """Lists of one length at every level as an array, else sequences of different lengths."""
    shape: list[int] = []
    lengths = _lengths(values, source)
    inner = values.flatten()
    while len(lengths) and (lengths == lengths[0]).all():
        shape.append(int(lengths[0]))
        if not _is_list(inner.type, arrow):
            return ArrayColumn(_plain(inner, source, arrow).reshape(len(values), *shape), source)
        lengths, inner = _lengths(inner, source), inner.flatten()
    if shape or _is_list(inner.type, arrow):
        message = f"{source} holds lists of lists of different lengths"
        raise DataInputError.make("E0808", message, help="only the outermost lists may differ in length")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return RaggedColumn(_plain(inner, source, arrow), offsets, source)


def _is_list(kind: Any, arrow: Any) -> bool:
    kinds = arrow.types
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def _lengths(values: Any, source: str) -> Array:
    if values.null_count:
        raise DataInputError.make("E0808", f"{source} has an empty list inside a list")
    if hasattr(values.type, "list_size"):  # `value_lengths` is not there for these in older versions
        return np.full(len(values), values.type.list_size, np.int64)
    result: Array = values.value_lengths().to_numpy(zero_copy_only=False)
    return result
