"""Batches for training and evaluation, from any position in any epoch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from netruntime.arguments import check_count, check_counts_of, check_flag, check_instance
from netruntime.data.augment import Augment
from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.data.prefetch import prefetch as prefetched
from netruntime.data.sampler import Sampler
from netruntime.errors import DataInputError
from netruntime.files.arrays import Array

MAX_PREFETCH = 1_000
"""The most batches that are held ahead."""


def batches(
    dataset: Dataset | StreamDataset,
    batch_size: int,
    *,
    epoch: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    start_batch: int = 0,
    augment: Augment | None = None,
    prefetch: int = 0,
) -> Iterator[dict[str, Array]]:
    """The batches of one epoch, each the model's inputs by name, from `start_batch` on.

    Order, lengths and augmentation are functions of `seed` and `epoch`, so that a run that continues at
    (epoch, start_batch) sees the same batches. With `shuffle`, rows of different lengths are grouped by
    length; without it, they stay in order. Rows that are one example are one batch, in order. A thread
    prepares `prefetch` batches ahead; close the iterator (`contextlib.closing`) to end it early. Streams keep
    their own order, and a resumed one is read again up to its position. Raises `DataInputError`: E0818 for
    impossible batches, and the errors of reading rows; `NetError` E0870 for arguments of another kind.
    """
    check_instance(dataset, "dataset", (Dataset, StreamDataset), "data that `open_data` returned")
    batch_size, start_batch = check_counts_of(batch_size=batch_size, start_batch=start_batch)
    epoch, seed = check_counts_of(epoch=epoch, seed=seed)
    prefetch = check_count(prefetch, "prefetch", 0, MAX_PREFETCH)
    check_flag(shuffle, "shuffle")
    check_flag(drop_last, "drop_last")
    check_instance(augment, "augment", (Augment, type(None)), "what `parse_augment` returned")
    if batch_size < 1 or start_batch < 0:
        message = f"batches of {batch_size} from number {start_batch} on cannot be made"
        raise DataInputError.make(
            "E0818", message, help="a batch has at least 1 row, and the first is number 0"
        )
    if isinstance(dataset, Dataset) and dataset.one_example is not None:
        read = _read(dataset, [np.arange(len(dataset))][start_batch:])
    elif isinstance(dataset, Dataset):
        plan = Sampler(len(dataset), seed, shuffle).batches(
            epoch, batch_size, drop_last=drop_last, lengths=dataset.lengths()
        )
        read = _read(dataset, plan[start_batch:])
    else:
        read = _read_stream(dataset, batch_size, drop_last, start_batch)
    return prefetched(_augmented(read, dataset, augment, epoch, seed), prefetch)


def batch_count(dataset: Dataset | StreamDataset, batch_size: int, *, drop_last: bool = False) -> int:
    """The number of batches in an epoch; of a stream, those of the rows that will be used at most."""
    if dataset.one_example is not None:
        return 1
    count = len(dataset) if isinstance(dataset, Dataset) else dataset.expected or 0
    full, rest = divmod(count, batch_size)
    return full + (1 if rest and not drop_last else 0)


def cut_rows(rows: Mapping[str, Array], count: int) -> list[dict[str, Array]]:
    """Batches of at most `count` of the rows each, padded alike."""
    total = max((len(array) for array in rows.values() if array.ndim), default=1)
    return [
        {name: array[start : start + count] if array.ndim else array for name, array in rows.items()}
        for start in range(0, total, count)
    ]


def _augmented(
    read: Iterator[tuple[dict[str, Array], Array]],
    dataset: Dataset | StreamDataset,
    augment: Augment | None,
    epoch: int,
    seed: int,
) -> Iterator[dict[str, Array]]:
    fills = {name: dataset.label_spec(name).pad or 0 for name in dataset.labels}
    for rows, indices in read:
        if augment:
            rows = augment(rows, dataset.columns, indices, epoch, seed, fills=fills)
        yield rows


def _read(dataset: Dataset, plan: list[Array]) -> Iterator[tuple[dict[str, Array], Array]]:
    """Batches and the numbers of their rows."""
    for indices in plan:
        yield dataset.rows(indices), indices


def _read_stream(
    dataset: StreamDataset, batch_size: int, drop_last: bool, start_batch: int
) -> Iterator[tuple[dict[str, Array], Array]]:
    """Batches and the numbers of their rows."""
    first = 0
    rows = dataset.stream()
    while waiting := list(islice(rows, min(batch_size, sys.maxsize))):
        is_wanted = first >= start_batch * batch_size and not (drop_last and len(waiting) < batch_size)
        if is_wanted:
            yield dataset.collate(waiting, first), np.arange(first, first + len(waiting))
        first += len(waiting)
