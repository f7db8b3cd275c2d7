"""Batches for training and evaluation, from any place in any epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netruntime.data.augment import Augment
from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.data.prefetch import prefetch as prefetched
from netruntime.data.sampler import Sampler
from netruntime.errors import DataInputError
from netruntime.io.arrays import Array


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

    Order, lengths and augmentation are functions of `seed` and `epoch`: a run that goes on at (epoch,
    start_batch) sees what it would have seen. Rows of different lengths are put together by length where
    `shuffle` is set, and stay in order where it is not. `prefetch` batches are made ahead by a thread; close
    the iterator (`contextlib.closing`) to end it early. Streams come in their own order, and a resumed one is
    read again up to its place. Raises `DataInputError`: E1020 for batches that cannot be made, and whatever
    reading the rows raises.
    """
    if batch_size < 1 or start_batch < 0:
        message = f"batches of {batch_size} from number {start_batch} on cannot be made"
        raise DataInputError.make(
            "E1020", message, help="a batch has at least 1 row, and the first is number 0"
        )
    if isinstance(dataset, Dataset):
        plan = Sampler(len(dataset), seed, shuffle).batches(
            epoch, batch_size, drop_last=drop_last, lengths=dataset.lengths()
        )
        made = _read(dataset, plan[start_batch:], epoch, seed, augment)
    else:
        made = _read_stream(dataset, batch_size, epoch, seed, drop_last, start_batch, augment)
    return prefetched(made, prefetch)


def batch_count(dataset: Dataset, batch_size: int, *, drop_last: bool = False) -> int:
    """How many batches an epoch has."""
    full, rest = divmod(len(dataset), batch_size)
    return full + (1 if rest and not drop_last else 0)


def _read(
    dataset: Dataset, plan: list[Array], epoch: int, seed: int, augment: Augment | None
) -> Iterator[dict[str, Array]]:
    for indices in plan:
        rows = dataset.rows(indices)
        yield augment(rows, dataset.columns, indices, epoch, seed) if augment else rows


def _read_stream(
    dataset: StreamDataset,
    batch_size: int,
    epoch: int,
    seed: int,
    drop_last: bool,
    start_batch: int,
    augment: Augment | None,
) -> Iterator[dict[str, Array]]:
    waiting: list[dict[str, Array]] = []
    first = 0
    for row in dataset.stream():
        waiting.append(row)
        if len(waiting) == batch_size:
            if first >= start_batch * batch_size:
                yield _stacked(waiting, dataset, first, epoch, seed, augment)
            first += len(waiting)
            waiting = []
    if waiting and not drop_last and first >= start_batch * batch_size:
        yield _stacked(waiting, dataset, first, epoch, seed, augment)


def _stacked(
    rows: list[dict[str, Array]],
    dataset: StreamDataset,
    first: int,
    epoch: int,
    seed: int,
    augment: Augment | None,
) -> dict[str, Array]:
    batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    indices = np.arange(first, first + len(rows))
    return augment(batch, dataset.columns, indices, epoch, seed) if augment else batch
