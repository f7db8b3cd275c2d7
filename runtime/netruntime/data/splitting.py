"""Rows held out for validation."""

from __future__ import annotations

import numpy as np

from netruntime.data.checks import label_values
from netruntime.data.dataset import Dataset, Subset
from netruntime.data.sampler import generator
from netruntime.errors import DataInputError
from netruntime.io.arrays import Array


def split(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Subset, Subset]:
    """The data set in two: for training, and `fraction` of it held out, chosen by `seed`.

    Where there is a label with one class for each row, every class is split in this proportion, and a class
    of two or more rows is in both parts. Raises `DataInputError` E1023 where a part would be empty.
    """
    count = len(dataset)
    if not 0 < fraction < 1:
        message = f"{fraction:g} of the rows cannot be held out"
        raise DataInputError.make("E1023", message, help="give a number between 0 and 1, such as 0.2")
    order = generator(seed).permutation(count)
    labels = _class_of_rows(dataset)
    held = _held(order, fraction) if labels is None else _held_by_class(order, labels, fraction)
    if not 0 < held.sum() < count:
        message = (
            f"{fraction:g} of {count} rows leaves nothing {'held out' if not held.any() else 'to train on'}"
        )
        raise DataInputError.make("E1023", message, help="give more data, or another fraction")
    return Subset(dataset, np.flatnonzero(~held)), Subset(dataset, np.flatnonzero(held))


def _class_of_rows(dataset: Dataset) -> Array | None:
    for name in dataset.labels:
        if dataset.columns[name].shape == ():
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
