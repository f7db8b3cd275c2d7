"""Memory that a training step frees and the next one needs again."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 * 2**20
"""The largest threshold that glibc takes."""


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed blocks of up to 32 MiB for the next step; whether it does.

    By default glibc gives large blocks back to the system as soon as they are freed, and each step of a
    training faults the same pages in again. The setting holds for the whole process; other C libraries are
    left alone.

    Source: mallopt(3).
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
