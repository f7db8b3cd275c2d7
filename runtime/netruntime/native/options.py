"""What a user chooses of the engine: which one, how many threads, and whether results are exact."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from netdsl.immutable import immutable
from netruntime.arguments import check_count, check_flag, check_text
from netruntime.errors import DeviceError
from netruntime.native.library import Library, load_library, missing_reason

EngineName = Literal["auto", "native", "numpy"]


@immutable
class EngineOptions:
    """The engine of the CPU.

    Args:
        engine: `native`, `numpy`, or `auto`: the native one if it was built for this machine.
        threads: The threads of the native engine; by default the cores that this process may use.
        exact: Leave out Winograd's convolution, which rounds more (relative error up to 2e-5).
    """

    engine: EngineName = "auto"
    threads: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        check_text(self.engine, "engine")
        check_flag(self.exact, "exact")
        if self.threads is not None:
            check_count(self.threads, "threads", 1, MAX_THREADS)
        if self.engine not in get_args(EngineName):
            message = f"there is no engine `{self.engine}`"
            raise DeviceError.make("E0912", message, help="use auto, native or numpy")

    def library(self) -> Library | None:
        """The native engine; None where NumPy runs everything.

        Raises:
            DeviceError: E0912 if `native` was requested and cannot be used.
        """
        if self.engine == "numpy":
            return None
        found = load_library()
        if found is None and self.engine == "native":
            message = f"the native engine was requested, but {missing_reason()}"
            raise DeviceError.make("E0912", message, help="use the engine auto or numpy")
        return found

    def thread_count(self) -> Callable[[], int]:
        """How many threads a run may use, asked at each run."""
        threads = self.threads
        return usable_cores if threads is None else lambda: threads


MAX_THREADS = 256
"""As in threads.c."""
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """The cores that this process may use, by its affinity and by the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(cores, MAX_THREADS if quota is None else quota))


def _quota() -> int | None:
    """The cores that the control group leaves, rounded up; None without a limit."""
    try:
        quota, _, period = _CPU_MAX.read_text().partition(" ")
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no control group of version 2, or `max`
        return None
