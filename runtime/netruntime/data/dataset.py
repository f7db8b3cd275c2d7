"""Data sets that fit a model: rows in any order, as the arrays its inputs take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from netruntime.data.checks import refuse_nonfinite, refuse_values
from netruntime.data.matching import Bound, Match
from netruntime.data.options import IGNORED_LABEL, DataOptions
from netruntime.data.padding import pad_rows
from netruntime.data.table import ColumnInfo, Table, Values
from netruntime.errors import DataInputError, shown
from netruntime.io.arrays import Array, CastError


@runtime_checkable
class Dataset(Protocol):
    """Rows that can be had in any order.

    `columns` says of each input what its rows are; `classes` names the classes of label inputs where they are
    known; `vocabulary` holds the characters of a text; `notes` says in words what was done to make the data
    fit. `labels` are the inputs that are labels.
    """

    @property
    def columns(self) -> Mapping[str, ColumnInfo]: ...
    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def vocabulary(self) -> tuple[str, ...] | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def rows(self, indices: Array | Sequence[int]) -> dict[str, Array]:
        """The inputs for these rows, each `[n, ...]`; sequences are padded to the longest of them."""
        ...

    def lengths(self) -> Array | None:
        """How long each row's longest sequence is, i64 `[N]`; None where all rows are of one shape."""
        ...

    def place(self, name: str, row: int) -> str:
        """Where a row of an input comes from, for messages."""
        ...


class StreamDataset(Protocol):
    """Rows that come one after another, and whose number is not known before the end."""

    @property
    def columns(self) -> Mapping[str, ColumnInfo]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def stream(self) -> Iterator[dict[str, Array]]:
        """The rows, each input without its batch axis."""
        ...


@dataclass(frozen=True)
class FittedDataset:
    """A table whose columns are matched to a model's inputs."""

    table: Table
    match: Match
    options: DataOptions

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
    def vocabulary(self) -> tuple[str, ...] | None:
        return self.table.vocabulary

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.table.notes, *self.match.notes)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(
            n for n, b in self.match.bound.items() if self.options.is_label(n) and b.wanted.type.dtype.is_int
        )

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, indices: Array | Sequence[int]) -> dict[str, Array]:
        chosen = np.asarray(indices, np.int64)
        raw = self.table.take(self._names, chosen)
        widths = self._widths(raw)
        result = {name: self._values(bound, raw, chosen, widths) for name, bound in self.match.bound.items()}
        for name, filler in self.match.fillers.items():
            bound = self.match.bound[filler.of]
            limit = widths.get(filler.of, 0)
            result[name] = filler.fill(_lengths(self._raw(bound, raw), limit), limit)
        return result

    def lengths(self) -> Array | None:
        found = [self.table.lengths(b.columns[0]) for b in self.match.bound.values() if b.info.is_ragged]
        return np.max(found, axis=0) if found else None

    def place(self, name: str, row: int) -> str:
        return self.table.place(self.match.bound[name].columns[0], row)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c for b in self.match.bound.values() for c in b.columns))

    def _raw(self, bound: Bound, raw: Mapping[str, Values]) -> Values:
        if len(bound.columns) == 1:
            return raw[bound.columns[0]]
        return np.stack([np.asarray(raw[name]) for name in bound.columns], axis=1)

    def _widths(self, raw: Mapping[str, Values]) -> dict[str, int]:
        """To what each sequence is padded: inputs whose axis has one name get one width."""
        widths: dict[str, int] = {}
        axes: dict[str, int] = {}
        for bound in self.match.bound.values():
            rows = self._raw(bound, raw)
            if not bound.wanted.item or (isinstance(rows, np.ndarray) and rows.ndim < 2):
                continue
            longest = rows.shape[1] if isinstance(rows, np.ndarray) else max(map(len, rows), default=0)
            limit = self.options.max_length
            if limit is not None and not isinstance(rows, np.ndarray):
                longest = min(longest, limit)
            dim = bound.wanted.item[0]
            axes[str(dim)] = dim.value if dim.is_fixed else max(longest, axes.get(str(dim), 0))
        for name, bound in self.match.bound.items():
            if bound.wanted.item and str(bound.wanted.item[0]) in axes:
                widths[name] = axes[str(bound.wanted.item[0])]
        return widths

    def _values(
        self, bound: Bound, raw: Mapping[str, Values], indices: Array, widths: Mapping[str, int]
    ) -> Array:
        name, dtype = bound.wanted.name, bound.wanted.type.dtype
        rows = self._raw(bound, raw)
        try:
            if isinstance(rows, np.ndarray):
                values = bound.fit.apply(rows)
            else:
                fitting = self._cut(name, rows, indices, widths[name])
                pad = IGNORED_LABEL if self.options.is_label(name) else self.options.pad
                values = pad_rows(fitting, widths[name], pad if dtype.is_int else 0, dtype)
        except CastError as lost:
            raise refuse_values(self, name, indices, bound.wanted.type, lost) from lost
        if dtype.is_float and not self.options.allow_nonfinite:
            refuse_nonfinite(values, name, indices, self)
        return values

    def _cut(self, name: str, rows: Sequence[Array], indices: Array, width: int) -> list[Array]:
        longest = max(map(len, rows), default=0)
        if longest <= width:
            return list(rows)
        if self.options.cut:
            return [row[:width] for row in rows]
        row = next(n for n, values in enumerate(rows) if len(values) > width)
        raise DataInputError.make(
            "E1025",
            f"{self.place(name, int(indices[row]))} is a sequence of {len(rows[row])}, "
            f"and {shown(name)} takes {width} at most",
            help="cut longer sequences (`--cut`), or leave them out of the data",
        )


@dataclass(frozen=True)
class Subset:
    """Some rows of a data set, in the order of `indices` (i64 `[n]`)."""

    dataset: Dataset
    indices: Array

    @property
    def columns(self) -> Mapping[str, ColumnInfo]:
        return self.dataset.columns

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        return self.dataset.vocabulary

    @property
    def notes(self) -> tuple[str, ...]:
        return self.dataset.notes

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dataset.labels

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, indices: Array | Sequence[int]) -> dict[str, Array]:
        return self.dataset.rows(self.indices[np.asarray(indices, np.int64)])

    def lengths(self) -> Array | None:
        found = self.dataset.lengths()
        return None if found is None else found[self.indices]

    def place(self, name: str, row: int) -> str:
        return self.dataset.place(name, int(self.indices[row]))


def _lengths(rows: Values, limit: int) -> Array:
    if isinstance(rows, np.ndarray):
        return np.full(len(rows), limit, np.int64)
    return np.minimum([len(row) for row in rows], limit).astype(np.int64)
