"""A table whose columns are matched to a model's inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np

from netdsl.immutable import immutable
from netdsl.types import DType
from netruntime.data.checks import (
    refuse_bad_labels,
    refuse_bad_targets,
    refuse_nonfinite,
    refuse_padded_labels,
)
from netruntime.data.matching import BoundColumn, Match
from netruntime.data.padding import pad_rows
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, CastError, cast
from netruntime.readers.fitting import refuse_values
from netruntime.readers.options import DataOptions, LabelSpec
from netruntime.readers.pixels.scaling import unscaled_note
from netruntime.readers.table import ColumnInfo, ColumnTable, Table, Values
from netruntime.readers.text import TOO_LONG, padding_id

_LOOKED_AT = 64
"""Rows that are looked at for a note."""


@immutable
class FittedDataset:
    """The `Dataset` of a table."""

    table: Table
    match: Match
    options: DataOptions
    one_example: str | None = None

    @cached_property
    def columns(self) -> Mapping[str, ColumnInfo]:
        return {
            name: ColumnInfo(b.fit.dtype.value, b.fit.shape, b.info.source, b.fit.picture)
            for name, b in self.match.bound.items()
        }

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        found = self.table.classes
        return {n: found[b.columns[0]] for n, b in self.match.bound.items() if b.columns[0] in found}

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {name: bound.columns for name, bound in self.match.bound.items()}

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        return self.table.vocabulary

    @property
    def notes(self) -> tuple[str, ...]:
        whole = () if self.one_example is None else (self.one_example,)
        return (*whole, *self.table.notes, *self.match.notes, *self._unscaled)

    @cached_property
    def _unscaled(self) -> tuple[str, ...]:
        """Notes on pictures that have the range of bytes and are not scaled, as far as they are in memory."""
        first = np.arange(min(len(self), _LOOKED_AT))
        bound = {n: b for n, b in self.match.bound.items() if self._may_lack_scale(n, b)}
        raw = {name: rows for name, rows in self._raw(bound, first).items() if isinstance(rows, np.ndarray)}
        return tuple(
            f"{shown(name)}: {note}"
            for name, rows in raw.items()
            for note in unscaled_note(rows, bound[name].fit.picture, bound[name].wanted, self.options)
        )

    def _may_lack_scale(self, name: str, bound: BoundColumn) -> bool:
        return name in self.ready and bound.fit.picture is not None and bound.info.dtype != "u8"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        is_label = self.options.is_label
        return tuple(n for n, b in self.match.bound.items() if is_label(n) and b.wanted.type.dtype.is_int)

    @cached_property
    def ready(self) -> frozenset[str]:
        held = self.table.ready
        return frozenset(n for n, b in self.match.bound.items() if held.issuperset(b.columns))

    @cached_property
    def pad(self) -> int:
        """The id that pads shorter sequences."""
        return padding_id(self.options)

    @property
    def overlap(self) -> int | None:
        return self.table.overlap

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, indices: Array | Sequence[int], names: Collection[str] | None = None) -> dict[str, Array]:
        chosen = np.asarray(indices, np.int64)
        bound = {n: b for n, b in self.match.bound.items() if names is None or n in names}
        raw = self._raw(bound, chosen)
        widths = self._widths(bound, raw)
        result = {name: self._values(b, raw[name], chosen, widths) for name, b in bound.items()}
        for name, filler in self.match.fillers.items():
            if filler.of in raw:
                width = widths[filler.of]
                result[name] = filler.fill(_lengths(raw[filler.of], width), width)
        return result

    def label_spec(self, name: str) -> LabelSpec:
        return self.options.label_spec(name)

    def lengths(self) -> Array | None:
        ragged = [b.columns[0] for b in self.match.bound.values() if b.info.is_ragged]
        columns = [lengths for name in ragged if (lengths := self.table.lengths(name)) is not None]
        return np.max(columns, axis=0) if columns else None

    def sequence_lengths(self, indices: Array) -> dict[str, Array]:
        bound = {name: b for name, b in self.match.bound.items() if b.info.is_ragged}
        raw = self._raw(bound, indices)
        widths = self._widths(bound, raw)
        return {name: _lengths(raw[name], widths[name]) for name in bound}

    def place(self, name: str, row: int, element: int = 0) -> str:
        columns = self.match.bound[name].columns
        return self.table.place(columns[element] if len(columns) > 1 else columns[0], row)

    def file(self, row: int) -> str:
        """The file of a row, where each row is a file; empty otherwise."""
        return self.table.file(row) if isinstance(self.table, ColumnTable) else ""

    # -- one batch ----------------------------------------------------------------------------------

    def _raw(self, bound: Mapping[str, BoundColumn], indices: Array) -> dict[str, Values]:
        """The source rows of each input."""
        columns = list(dict.fromkeys(column for b in bound.values() for column in b.columns))
        held = self.table.take(columns, indices)
        return {name: _joined([held[column] for column in b.columns]) for name, b in bound.items()}

    def _widths(self, bound: Mapping[str, BoundColumn], raw: Mapping[str, Values]) -> dict[str, int]:
        """The padded width of each sequence: inputs with the same free size share one width."""
        axes: dict[str, int] = {}
        for name, b in bound.items():
            if b.wanted.item:
                dim = b.wanted.item[0]
                axes[str(dim)] = (
                    dim.value if dim.is_fixed else max(self._longest(raw[name], b), axes.get(str(dim), 0))
                )
        return {name: axes[str(b.wanted.item[0])] for name, b in bound.items() if b.wanted.item}

    def _longest(self, rows: Values, bound: BoundColumn) -> int:
        if isinstance(rows, np.ndarray):
            return bound.fit.shape[0] or 0
        longest = max(map(len, rows), default=0)
        limit = self.options.max_length
        return longest if limit is None else min(longest, limit)

    def _values(self, bound: BoundColumn, rows: Values, indices: Array, widths: Mapping[str, int]) -> Array:
        name, dtype = bound.wanted.name, bound.wanted.type.dtype
        try:
            if isinstance(rows, np.ndarray):
                values = bound.fit.apply(rows)
            else:
                values = self._padded(name, rows, indices, widths[name], dtype)
        except CastError as lost:
            row, first = _first_lost(bound, rows, lost)
            raise refuse_values(bound.wanted, self.place(name, int(indices[row])), first) from lost
        if dtype.is_float and not self.options.allow_nonfinite:
            refuse_nonfinite(values, bound.wanted, indices, self)
        if name in self.labels:
            refuse_bad_labels(values, name, indices, self.label_spec(name), self)
        if isinstance(rows, np.ndarray):
            refuse_bad_targets(values, name, indices, self.label_spec(name), self)
        return values

    def _padded(self, name: str, rows: Sequence[Array], indices: Array, width: int, dtype: DType) -> Array:
        """Sequences as one array: labels filled with the ignored one, ids with padding, floats with 0."""
        rows = self._cut(name, rows, indices, width)
        if name in self.labels or name in self.options.label_specs:
            pad = self.label_spec(name).pad if dtype.is_float else self._label_pad(name)
            if pad is None:
                place = self.place(name, int(indices[0]))
                refuse_padded_labels(rows, width, place, name, self.label_spec(name))
            return pad_rows(rows, width, pad or 0, dtype)
        return pad_rows(rows, width, self.pad if dtype.is_int else 0, dtype)

    def _label_pad(self, name: str) -> int | None:
        """What fills the rows of a label; None if anything would count as a class.

        Ids that are labels too are filled with an id, so the loss must ignore just that one.
        """
        pad = self.label_spec(name).pad
        if name in self.labels:
            return pad
        is_free = self.options.pad is None and self.options.tokenizer is None
        return pad if pad is not None and pad >= 0 and (is_free or pad == self.pad) else None

    def _cut(self, name: str, rows: Sequence[Array], indices: Array, width: int) -> list[Array]:
        too_long = next((n for n, row in enumerate(rows) if len(row) > width), None)
        if too_long is None:
            return list(rows)
        if self.options.cut:
            return [row[:width] for row in rows]
        raise DataInputError.make(
            "E0840",
            f"{self.place(name, int(indices[too_long]))} is a sequence of {len(rows[too_long])}, "
            f"but {width} is the maximum for {shown(name)}",
            help=TOO_LONG,
        )


def _joined(parts: Sequence[Values]) -> Values:
    """One column as it is; several columns of numbers side by side."""
    return parts[0] if len(parts) == 1 else np.stack([np.asarray(part) for part in parts], axis=1)


def _first_lost(bound: BoundColumn, rows: Values, lost: CastError) -> tuple[int, CastError]:
    """The first row that the element type cannot hold, and the reason."""
    for n in range(len(rows)):
        try:
            if isinstance(rows, np.ndarray):
                bound.fit.apply(rows[n : n + 1])
            else:
                cast(rows[n], bound.wanted.type.dtype)
        except CastError as first:
            return n, first
    return 0, lost


def _lengths(rows: Values, width: int) -> Array:
    if isinstance(rows, np.ndarray):
        return np.full(len(rows), width, np.int64)
    return np.minimum([len(row) for row in rows], width).astype(np.int64)
