"""The memory of a process that makes and drops the same large arrays at every step."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of `mallopt`; see malloc.h of glibc."""
_OWN_SETTINGS = ("MALLOC_", "GLIBC_TUNABLES")


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory of arrays that are gone, for the next ones; whether it does.

    By itself glibc hands every large array back to the system, which then clears each page anew: a good part
    of the time of a step where arrays are large. It is left as it is where the environment sets malloc up,
    and elsewhere than on Linux with glibc. Source: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
