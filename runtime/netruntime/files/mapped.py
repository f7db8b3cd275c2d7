"""Weights that a file is mapped for: once they are packed, their pages need not stay in memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds


def mapping_of(array: np.ndarray[Any, Any]) -> mmap.mmap | None:
    """The mapping of a file for reading that an array is a part of, if its pages can be given back."""
    owner: Any = array
    mode = None
    while isinstance(owner, np.ndarray):
        mode = getattr(owner, "mode", mode)
        owner = owner.base
    can_release = mode == "r" and isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
    return owner if can_release else None


def release_mapped(array: np.ndarray[Any, Any]) -> None:
    """Give back the pages of a file that is mapped for reading; they are read again when they are needed."""
    mapping = mapping_of(array)
    if mapping is None:
        return
    start = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    low, high = (place - start for place in byte_bounds(array))
    first, last = -(-low // mmap.PAGESIZE) * mmap.PAGESIZE, high // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)
