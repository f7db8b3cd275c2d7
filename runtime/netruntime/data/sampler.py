"""The order of rows in an epoch: a pure function of the seed and the epoch, so that runs can be resumed."""

from __future__ import annotations

import numpy as np

from netdsl.immutable import immutable
from netruntime.files.arrays import Array

POOL = 64
"""The number of batches that are sorted by length together: more means less padding, fewer better mixing."""

_MASK = 2**64 - 1


def generator(seed: int, *numbers: int) -> np.random.Generator:
    """A NumPy generator seeded with several integers, which may be negative."""
    return np.random.default_rng([number & _MASK for number in (seed, *numbers)])


def uniform(seed: int, epoch: int, rows: Array, draw: int) -> Array:
    """One number in [0, 1) for each row, f64 `[n]`: a function of the arguments alone.

    The mixing is SplitMix64 (Steele, Lea and Flood 2014). `draw` distinguishes several numbers of one row.
    """
    start = generator(seed, epoch, draw).integers(0, 2**64, dtype=np.uint64)
    z = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    result: Array = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return result


@immutable
class Sampler:
    """The order of `length` rows, epoch by epoch."""

    length: int
    seed: int = 0
    shuffle: bool = True

    def order(self, epoch: int) -> Array:
        """The rows of an epoch in their order, i64 `[length]`."""
        if not self.shuffle:
            return np.arange(self.length)
        return generator(self.seed, epoch).permutation(self.length)

    def batches(
        self, epoch: int, batch_size: int, *, drop_last: bool = False, lengths: Array | None = None
    ) -> list[Array]:
        """The rows of each batch of an epoch.

        With `lengths` (i64 `[length]`) and shuffling, rows of similar length share a batch: the shuffled rows
        are sorted by length within pools of 64 batches, and the batches are shuffled in turn. The rows that
        `drop_last` leaves out are then those of the last pool that fill no batch.
        """
        order = self.order(epoch)
        by_length = lengths is not None and self.shuffle
        if lengths is not None and by_length:
            order = _sorted_in_pools(order, lengths, batch_size * POOL)
        batches = [order[start : start + batch_size] for start in range(0, self.length, batch_size)]
        if drop_last and batches and len(batches[-1]) < batch_size:
            batches.pop()
        if by_length:
            batches = [batches[n] for n in generator(self.seed, epoch, 1).permutation(len(batches))]
        return batches


def _sorted_in_pools(order: Array, lengths: Array, pool: int) -> Array:
    pools = [order[start : start + pool] for start in range(0, len(order), pool)]
    return np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in pools])
