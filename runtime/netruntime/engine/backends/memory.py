"""Memory settings for a process that allocates and frees the same large arrays at every step."""

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
    """Let this process reuse the memory of freed arrays; return whether that is in effect.

    By default glibc returns every large array to the system, which then clears each new page again: a good
    part of a step's time if arrays are large. Nothing changes if the environment configures malloc, or on
    other systems than Linux with glibc. Source: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
