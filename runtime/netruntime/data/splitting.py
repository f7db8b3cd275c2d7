"""Splitting a data set into training and validation rows."""

from __future__ import annotations

import numpy as np

from netruntime.arguments import check_count, check_instance, check_number
from netruntime.data.checks import label_values
from netruntime.data.dataset import Dataset, Subset
from netruntime.data.sampler import generator
from netruntime.errors import DataInputError
from netruntime.files.arrays import Array


def split(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Subset, Subset]:
    """Split a data set into rows for training and a `fraction` held out, chosen by `seed`.

    If there is a label with one class per row that is cheap to read, every class is split in this
    proportion, and a class of two or more rows is in both parts. Windows of a text are held out from its end,
    and windows that overlap with them are not used for training. Raises `DataInputError` E0837 if a part
    would be empty, or if all rows are one example, and `NetError` E0870 for arguments of another kind.
    """
    check_instance(dataset, "dataset", (Dataset,), "rows that `open_data` returned, and no stream")
    fraction, seed = check_number(fraction, "fraction"), check_count(seed, "seed")
    if dataset.one_example is not None:
        help = "pass other data for validation, or labels that the loss ignores for the rows to leave out"
        raise DataInputError.make("E0837", f"rows cannot be held out: {dataset.one_example}", help=help)
    if not 0 < fraction < 1:
        message = f"{fraction:g} of the rows cannot be held out"
        raise DataInputError.make("E0837", message, help="give a number between 0 and 1, such as 0.2")
    count = len(dataset)
    if dataset.overlap is not None:
        start = count - round(count * fraction)
        kept, held = np.arange(max(0, start - dataset.overlap)), np.arange(start, count)
    else:
        is_held = _chosen(dataset, fraction, generator(seed).permutation(count))
        kept, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    if not len(kept) or not len(held):
        message = f"{fraction:g} of {count} rows leaves none {'held out' if len(kept) else 'to train on'}"
        raise DataInputError.make("E0837", message, help="give more data, or another fraction")
    return Subset(dataset, kept), Subset(dataset, held)


def _chosen(dataset: Dataset, fraction: float, order: Array) -> Array:
    labels = _class_of_rows(dataset)
    return _held(order, fraction) if labels is None else _held_by_class(order, labels, fraction)


def _class_of_rows(dataset: Dataset) -> Array | None:
    for name in dataset.labels:
        if dataset.columns[name].shape == () and name in dataset.ready:
            return label_values(dataset, name)
    return None


def _held(order: Array, fraction: float) -> Array:
    held = np.zeros(len(order), np.bool_)
    held[order[: round(len(order) * fraction)]] = True
    return held


def _held_by_class(order: Array, labels: Array, fraction: float) -> Array:
    held = np.zeros(len(order), np.bool_)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        count = round(len(members) * fraction)
        if len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        held[members[:count]] = True
    return held
