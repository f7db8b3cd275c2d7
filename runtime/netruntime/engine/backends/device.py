"""Devices by name: `cpu`, `cuda`, `cuda:1`, `auto`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.arguments import check_text
from netruntime.engine.backends.registry import CPU, CUDA, Backend
from netruntime.errors import DeviceError
from netruntime.files.arrays import to_host_together
from netruntime.memory import free_on_gpu
from netruntime.native.library import Library
from netruntime.native.options import EngineOptions, usable_cores

_OUT_OF_MEMORY = 2
"""`cudaErrorMemoryAllocation`."""


@immutable
class Device:
    """A device that holds arrays: its name, its array module and its kernels.

    Args:
        library: The native engine; None if NumPy or CuPy run everything.
        threads: How many threads the native engine may use.
        exact: Whether the native engine leaves out methods that round more.
    """

    name: str
    xp: Any
    backend: Backend
    index: int = 0
    library: Library | None = None
    threads: Callable[[], int] = usable_cores
    exact: bool = False

    def array(self, values: Any) -> Any:
        """An array on this device; not a copy if it is there already."""
        with self.active():
            return self.xp.asarray(values)

    def numpy(self, array: Any) -> np.ndarray[Any, Any]:
        """The array on the host."""
        return array.get() if hasattr(array, "get") else np.asarray(array)

    def fetch(self, arrays: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """The arrays on the host; a GPU is waited for once."""
        with self.active():
            return to_host_together(arrays)

    def active(self) -> AbstractContextManager[Any]:
        """Make this device the current one."""
        return nullcontext() if self.xp is np else self.xp.cuda.Device(self.index)

    def is_full(self, error: Exception) -> bool:
        """Whether memory ran out; without its memory pool, CuPy reports that as a `RuntimeError`."""
        return isinstance(error, MemoryError) or getattr(error, "status", None) == _OUT_OF_MEMORY

    def full_memory(self, full: Exception) -> str:
        """What is known of memory that ran out, for a message: of a GPU also how much of it is free."""
        return f"{full}" if self.xp is np else f"{str(full).rstrip('.')}; {self.free_memory()}"

    def free_memory(self) -> str:
        """The free memory of a GPU, for a message: `1,024 of 4,096 bytes are free on cuda:0`."""
        with self.active():
            _, total = self.xp.cuda.runtime.memGetInfo()
            free = free_on_gpu(self.xp) or 0
        return f"{free:,} of {total:,} bytes are free on {self.name}"

    def generator(self, *key: int) -> Any:
        """A seeded random generator of this device."""
        seed = np.random.SeedSequence(key)
        return np.random.default_rng(seed) if self.xp is np else self.xp.random.default_rng(seed)


@immutable
class DeviceChoice:
    """A device by name with the options of its engine, for `open_device`."""

    name: str = "cpu"
    options: EngineOptions = field(default_factory=EngineOptions)

    def __str__(self) -> str:
        return self.name


def open_device(name: str | DeviceChoice = "cpu") -> Device:
    """The device of that name, or of that choice.

    `auto` selects a GPU if there is one, and warns if it falls back to the CPU.

    Raises:
        DeviceError: E0910 for an unknown name, E0911 for a GPU that cannot be used, E0912 for an engine.
    """
    choice = name if isinstance(name, DeviceChoice) else DeviceChoice(name)
    name, options = choice.name, choice.options
    check_text(name, "device")
    if name == "cpu":
        return Device(
            "cpu",
            np,
            CPU,
            library=options.library(),
            threads=options.thread_count(),
            exact=options.exact,
        )
    kind, _, number = name.partition(":")
    if name == "auto":
        try:
            return open_device("cuda")
        except DeviceError as none:
            reason = none.diagnostics[0].message
            warnings.warn(f"running on the CPU: {reason}", stacklevel=2)
            return open_device(replace(choice, name="cpu"))
    if kind != "cuda" or (number and not number.isdecimal()):
        raise DeviceError.make("E0910", f"there is no device `{name}`", help="use cpu, cuda, cuda:1 or auto")
    return _open_cuda(name, int(number or 0))


def _open_cuda(name: str, index: int) -> Device:
    try:
        import cupy
    except ImportError:
        help = 'pip install "netdsl[cuda13]", or "netdsl[cuda12]" for an older driver'
        raise DeviceError.make("E0911", f"`{name}` needs CuPy, which is not installed", help=help) from None
    if not cupy.cuda.is_available():
        raise DeviceError.make("E0911", f"`{name}` was requested, but no CUDA device is available")
    count = cupy.cuda.runtime.getDeviceCount()
    if index >= count:
        raise DeviceError.make("E0911", f"there is no `cuda:{index}`: this machine has {count} CUDA devices")
    return Device(f"cuda:{index}", cupy, CUDA, index)
