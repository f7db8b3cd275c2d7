"""Data sets that fit a model: rows in any order, as arrays for its inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from netdsl.immutable import immutable
from netruntime.files.arrays import Array
from netruntime.readers.options import LabelSpec
from netruntime.readers.table import ColumnInfo


@runtime_checkable
class Dataset(Protocol):
    """Rows that can be had in any order.

    `columns` says of each input what its rows are; `sources` names the columns of the data that it is made
    from; `classes` names the classes of label inputs where they are
    known; `vocabulary` holds the characters of a text, in the order of their ids; `notes` says what
    was done to make the data fit. `labels` are the integer inputs that are labels, and `ready` the inputs
    that can be read from end to end at little cost. Where rows follow one another, as windows of a text do,
    `overlap` is how many of the next rows share something with a row; None where rows are independent.
    `one_example` says why all rows are one example, such as a graph, which is one batch in its order.
    """

    @property
    def columns(self) -> Mapping[str, ColumnInfo]: ...
    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def vocabulary(self) -> tuple[str, ...] | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def ready(self) -> frozenset[str]: ...
    @property
    def overlap(self) -> int | None: ...
    @property
    def one_example(self) -> str | None: ...

    def __len__(self) -> int: ...

    def rows(self, indices: Array | Sequence[int], names: Collection[str] | None = None) -> dict[str, Array]:
        """The inputs (or those in `names`) for these rows, each `[n, ...]`.

        Sequences are padded to the longest of these rows. Raises `DataInputError`: E0804 for values that the
        element type cannot hold, E0805 for NaN and infinity, E0831 for a label out of range, E0840 for a
        sequence that is too long, and what the reader raises.
        """
        ...

    def label_spec(self, name: str) -> LabelSpec:
        """What the losses and metrics say of a label: the ignored value and the number of classes."""
        ...

    def lengths(self) -> Array | None:
        """The length of each row's longest sequence, i64 `[N]`; None if unknown or all equal."""
        ...

    def sequence_lengths(self, indices: Array) -> Mapping[str, Array]:
        """The lengths of these rows' sequences, i64 `[n]`, for each input whose rows may differ in length."""
        ...

    def place(self, name: str, row: int, element: int = 0) -> str:
        """The origin of a row of an input, for messages; of an element, where columns make up the row."""
        ...


@runtime_checkable
class StreamDataset(Protocol):
    """Rows that come one after another; their number is unknown before the end.

    `expected` is how many rows will be used at most, if that is known. The other properties are those of a
    `Dataset`.
    """

    @property
    def columns(self) -> Mapping[str, ColumnInfo]: ...
    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def vocabulary(self) -> tuple[str, ...] | None: ...
    @property
    def ready(self) -> frozenset[str]: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def one_example(self) -> str | None: ...

    def label_spec(self, name: str) -> LabelSpec:
        """What the losses and metrics say of a label."""
        ...

    def stream(self) -> Iterator[Any]:
        """The rows from the start, as the user's iterable yields them.

        Raises `DataInputError` E0841 if the iterable can be read only once and has been read.
        """
        ...

    def collate(self, rows: Sequence[Any], first: int) -> dict[str, Array]:
        """A batch of such rows as the model's inputs; `first` is the first one's number. Raises as `rows`."""
        ...

    def limited(self, rows: int) -> StreamDataset:
        """This stream, of which at most so many rows will be used."""
        ...

    def gather(self) -> Dataset:
        """All rows, read into memory, so that they can be shuffled, split and read again."""
        ...


@immutable
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
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.sources

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        return self.dataset.vocabulary

    @property
    def notes(self) -> tuple[str, ...]:
        return self.dataset.notes

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dataset.labels

    @property
    def ready(self) -> frozenset[str]:
        return self.dataset.ready

    @property
    def overlap(self) -> int | None:
        return self.dataset.overlap

    @property
    def one_example(self) -> str | None:
        return self.dataset.one_example

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, indices: Array | Sequence[int], names: Collection[str] | None = None) -> dict[str, Array]:
        return self.dataset.rows(self.indices[np.asarray(indices, np.int64)], names)

    def label_spec(self, name: str) -> LabelSpec:
        return self.dataset.label_spec(name)

    def lengths(self) -> Array | None:
        lengths = self.dataset.lengths()
        return None if lengths is None else lengths[self.indices]

    def sequence_lengths(self, indices: Array) -> Mapping[str, Array]:
        return self.dataset.sequence_lengths(self.indices[indices])

    def place(self, name: str, row: int, element: int = 0) -> str:
        return self.dataset.place(name, int(self.indices[row]), element)
