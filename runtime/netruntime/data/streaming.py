"""Data that comes row by row from an iterable: batches in its order, of unknown number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any

from netdsl.immutable import immutable
from netdsl.types import TensorType
from netruntime.data.embedded import RowReader, RowStream, RowTable
from netruntime.data.fitted import FittedDataset
from netruntime.data.matching import Match, match_columns
from netruntime.files.arrays import Array
from netruntime.readers.options import DataOptions, LabelSpec
from netruntime.readers.table import ColumnInfo


@immutable
class _Piece(RowTable):
    """Some rows of the stream, the first of which has the number `first`."""

    first: int = 0
    known: Mapping[str, ColumnInfo] | None = None

    @cached_property
    def columns(self) -> Mapping[str, ColumnInfo]:
        return self.known if self.known is not None else super().columns

    def place(self, name: str, row: int) -> str:
        return f"row {row + self.first} of the iterable"


@immutable
class FittedStream:
    """The `StreamDataset` of an iterable."""

    rows: RowStream
    reader: RowReader
    match: Match
    options: DataOptions
    known: Mapping[str, ColumnInfo]
    expected: int | None = None
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vocabulary: None = None
    ready: frozenset[str] = frozenset()
    one_example: str | None = None

    @cached_property
    def columns(self) -> Mapping[str, ColumnInfo]:
        return self._fitted([], 0).columns

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return self._fitted([], 0).sources

    def label_spec(self, name: str) -> LabelSpec:
        return self.options.label_spec(name)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._fitted([], 0).labels

    @property
    def notes(self) -> tuple[str, ...]:
        return self.match.notes

    def limited(self, rows: int) -> FittedStream:
        """This stream, of which at most so many rows will be used."""
        self.rows.keeps = True
        return replace(self, expected=rows)

    def stream(self) -> Iterator[Any]:
        return iter(self.rows)

    def collate(self, rows: Sequence[Any], first: int) -> dict[str, Array]:
        return self._fitted(rows, first).rows(range(len(rows)))

    def gather(self) -> FittedDataset:
        table = RowTable(self.rows.read_all(), self.reader)
        return FittedDataset(table, self.match, self.options, self.one_example)

    def _fitted(self, rows: Sequence[Any], first: int) -> FittedDataset:
        return FittedDataset(
            _Piece(rows, self.reader, first=first, known=self.known), self.match, self.options
        )


def fit_stream(
    rows: RowStream,
    reader: RowReader,
    wanted: Mapping[str, TensorType],
    options: DataOptions,
    one_example: str | None = None,
) -> FittedStream:
    """The stream matched to the model's inputs by its first rows. Raises as `match_columns`."""
    sample = _Piece(rows.peeked, reader)
    match = match_columns(sample, wanted, options)
    return FittedStream(rows, reader, match, options, sample.columns, one_example=one_example)
