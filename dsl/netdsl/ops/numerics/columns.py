"""Convolution as a matrix product: windows as columns (im2col), in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from netdsl.ops.contract.base import Array, Module
from netdsl.ops.numerics.blocking import block_sizes

COPY_LIMIT = 2**28
"""The largest size of a copy of windows, in bytes, unless one row of outputs needs more."""


def matrices(weight: Array, groups: int) -> Array:
    """`[groups, O / groups, C / groups * window]` from a weight `[O, C / groups, *window]`."""
    rows, *rest = weight.shape
    return weight.reshape(groups, rows // groups, prod(rest))


def columns(patches: Array, groups: int) -> Array:
    """`[groups, C / groups * window, B * counts]` from `[B, C, *counts, *window]`: one column each."""
    batch, channels, *rest = patches.shape
    rank = len(rest) // 2
    split = patches.reshape(batch, groups, channels // groups, *rest)
    counts, window = range(3, 3 + rank), range(3 + rank, 3 + 2 * rank)
    ordered = split.transpose(1, 2, *window, 0, *counts)
    return ordered.reshape(groups, channels // groups * prod(rest[rank:]), batch * prod(rest[:rank]))


def window_blocks(
    xp: Module, batch: int, counts: Sequence[int], column: int
) -> Iterator[tuple[slice, slice]]:
    """Slices of the batch and of the first spatial axis, so that windows of `column` bytes fit a copy.

    None at all where an axis is empty.
    """
    if not all(counts):
        return
    sizes = block_sizes(xp)
    limit = min(max(sizes.column_bytes, sizes.columns * column), COPY_LIMIT)
    rows = limit // max(column, 1) // prod(counts[1:])
    whole = rows // counts[0]
    if whole:
        for first in range(0, batch, whole):
            yield slice(first, first + whole), slice(None)
        return
    step = max(rows, 1)
    for image in range(batch):
        for row in range(0, counts[0], step):
            yield slice(image, image + 1), slice(row, row + step)
