"""Padding of sequences into one array, and masks and lengths that mark the real elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netdsl.immutable import immutable
from netdsl.types import DType, TensorType
from netruntime.files.arrays import Array, cast, numpy_dtype

KEEP, LENGTH, SEGMENT = "keep", "length", "segment"


@immutable
class Filler:
    """An input that the data may lack, because the lengths of the sequence `of` determine it.

    A `keep` mask, bool `[B, T]` (or with axes of one between), is true where an element is real; a `length`
    is an integer `[B]`. They are called `X_keep` and `X_length` for the sequence `X`, or `keep` and `length`.
    A `segment` is 0 in an integer `[B, T]`: all of a text is its first part.
    """

    kind: str
    of: str
    type: TensorType

    def fill(self, lengths: Array, width: int) -> Array:
        """The values for rows of `lengths` (i64 `[n]`) padded to `width`."""
        if self.kind == LENGTH:
            return cast(lengths, self.type.dtype)
        if self.kind == SEGMENT:
            return np.zeros((len(lengths), width), numpy_dtype(self.type.dtype.value))
        keep = np.arange(width) < lengths[:, None]
        ones = (1,) * (self.type.rank - 2)
        return keep.reshape(len(lengths), *ones, width)


def filler_kind(name: str, type: TensorType) -> tuple[str, str] | None:
    """The kind of filler an input could be by its name and type, and the sequence it names (or `""`)."""
    stem, _, last = name.rpartition("_")
    if last == KEEP and type.dtype is DType.BOOL and type.rank >= 2:
        return KEEP, stem
    if last == LENGTH and type.dtype.is_int and type.rank == 1:
        return LENGTH, stem
    if last == SEGMENT and type.dtype.is_int and type.rank == 2:
        return SEGMENT, stem
    return None


def pad_rows(rows: Sequence[Array], width: int, pad: int, dtype: DType) -> Array:
    """`[n, width, *item]` from n sequences `[t, *item]`, each padded at the end with `pad`.

    Raises `CastError` if `dtype` cannot hold the values.
    """
    lengths = np.array([len(row) for row in rows], np.int64)
    result = np.full((len(rows), width, *rows[0].shape[1:]), pad, numpy_dtype(dtype.value))
    result[np.arange(width) < lengths[:, None]] = cast(np.concatenate(rows), dtype)
    return result
