"""How much memory there is, compared with what is needed before any of it is taken.

A process that takes more is killed by the system without a message. Only what certainly does not fit is
refused: file caches and swap count as free, and so does what this process has freed and kept.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from netruntime.quantities import bytes_text

SMALL = 64 * 2**20
"""Less than this is never compared: looking takes longer than it is of use."""

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_UNLIMITED = 2**60


def shortage(needed: int, xp: Any = None) -> int | None:
    """The bytes that are free, if they are fewer than `needed`; None if that fits, or nobody knows.

    `xp` is the array module whose memory is meant, of its current device: CuPy, or else the host.
    """
    if needed < SMALL:
        return None
    free = free_on_gpu(xp) if hasattr(xp, "cuda") else free_memory()
    return None if free is None or needed <= free else free


def lack_text(free: int, largest: Iterable[tuple[str, int]] = ()) -> str:
    """`14.2 GiB are free`, and what needs most: names with their bytes."""
    parts = [f"{name} = {bytes_text(size)}" for name, size in largest]
    return f"{bytes_text(free)} are free" + (f"; the largest: {', '.join(parts)}" if parts else "")


def free_memory() -> int | None:
    """The bytes that this process can still take: the least of what the system and its limits leave."""
    if sys.platform == "win32":
        return _free_on_windows()
    limits = [_free_of_system(), _of_cgroups(_room), _free_of_process()]
    known = [limit for limit in limits if limit is not None]
    return max(min(known), 0) + (_kept_by_malloc() or 0) if known else None


def total_memory() -> int | None:
    """The bytes that this process could take if nothing else ran: all memory and swap, or its limits."""
    if sys.platform == "win32":
        return _free_on_windows()
    limits = [_total_of_system(), _of_cgroups(_limit), *_limits_of_process().values()]
    return min((limit for limit in limits if limit is not None), default=None)


def _free_of_system() -> int | None:
    """What `MemAvailable` and swap leave; all memory where the system does not say, or malloc keeps some."""
    info = _table(PROC / "meminfo")
    if "MemAvailable" in info and (_kept_by_malloc() is not None or "MemTotal" not in info):
        return 1024 * (info["MemAvailable"] + info.get("SwapFree", 0))
    return _total_of_system()


def _total_of_system() -> int | None:
    info = _table(PROC / "meminfo")
    if "MemTotal" in info:
        return 1024 * (info["MemTotal"] + info.get("SwapTotal", 0))
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_cgroups(measure: Callable[[Path, str, str], int | None]) -> int | None:
    """The least that is measured in the control groups of the process, in both versions."""
    sizes = []
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        for folder in _and_above(path):
            sizes.append(measure(root / folder, *names))
    return min((size for size in sizes if size is not None), default=None)


def _and_above(path: str) -> list[str]:
    """A group and all that contain it; the root is where a container sees its own."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _limit(folder: Path, limit_name: str, usage_name: str) -> int | None:
    limit = _number(folder / limit_name)
    return None if limit is None or limit >= _UNLIMITED else limit


def _room(folder: Path, limit_name: str, usage_name: str) -> int | None:
    """What a control group leaves; file caches there count as free."""
    limit, usage = _limit(folder, limit_name, usage_name), _number(folder / usage_name)
    if limit is None or usage is None:
        return None
    stat = _table(folder / "memory.stat")
    cached = stat.get("inactive_file", 0) + stat.get("active_file", 0)
    return limit - usage + cached


def _free_of_process() -> int | None:
    """What `ulimit -v` and `ulimit -d` leave."""
    pages = _text(PROC / "self" / "statm").split()
    if len(pages) < 6:
        return None
    size = os.sysconf("SC_PAGE_SIZE")
    used = {"RLIMIT_AS": int(pages[0]) * size, "RLIMIT_DATA": int(pages[5]) * size}
    return min((limit - used[which] for which, limit in _limits_of_process().items()), default=None)


def _limits_of_process() -> dict[str, int]:
    """What `ulimit -v` and `ulimit -d` allow, where they are set."""
    import resource

    soft = {name: resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_AS", "RLIMIT_DATA")}
    return {name: limit for name, limit in soft.items() if limit != resource.RLIM_INFINITY}


@cache
def _mallinfo() -> Any:
    """glibc's `mallinfo2`, or None where there is none."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if function is not None:
        function.restype = type("Mallinfo", (ctypes.Structure,), {"_fields_": [("n", ctypes.c_size_t * 10)]})
    return function


def _kept_by_malloc() -> int | None:
    """The bytes that were freed and not returned to the system, which are taken again first."""
    function = _mallinfo()
    return None if function is None else int(function().n[8])


def return_freed_memory() -> None:
    """Give the memory of freed arrays back to the system, where malloc would keep it for later arrays."""
    function = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if function is not None:
        function(ctypes.c_size_t(0))


def free_on_gpu(xp: Any) -> int | None:
    """The bytes that CuPy can still take on its current device: its pool keeps some, and may have a limit."""
    try:
        free, _ = xp.cuda.runtime.memGetInfo()
        pool = xp.get_default_memory_pool()
        left = int(free) + int(pool.free_bytes())
        limit = int(pool.get_limit())
        return max(min(left, limit - int(pool.used_bytes())), 0) if limit else left
    except Exception:  # whatever a driver raises: then nobody knows
        return None


def _free_on_windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "page", "free_page", "all", "rest", "more")
        ]

    status = Status(length=ctypes.sizeof(Status))
    library = getattr(ctypes, "windll", None)
    known = library is not None and library.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free_page) if known else None


def _table(path: Path) -> Mapping[str, int]:
    """Lines such as `MemAvailable:  123 kB` and `inactive_file 123`."""
    rows = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
