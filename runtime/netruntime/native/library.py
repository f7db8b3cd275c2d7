"""The C library: where it is, its kernels for the instruction set of this machine, and its one call."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from netdsl.immutable import immutable
from netruntime.errors import DeviceError

ISA_VARIABLE = "NETDSL_ISA"
"""The environment variable that selects an instruction set, such as `avx2`; the best one by default."""
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LIBRARY_VARIABLE = "NETDSL_LIBRARY"
"""The environment variable with the file of another build of the library, such as one with sanitizers."""
INTERFACE = 3
"""The version of what the library and Python agree on, as in `native.h`."""
LIBRARY = Path(os.environ.get(LIBRARY_VARIABLE) or Path(__file__).parent / "lib" / f"native{SUFFIX}")


class _NamedKernel(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("run", ctypes.c_void_p))


@immutable
class Library:
    """The loaded library with one instruction set.

    Args:
        isa: The name of the instruction set.
        kernels: The number of each kernel by name, as records use it.
        functions: The number of each function of one element by name.
        binaries: The number of each function of two elements by name.
        table: The address of the kernels.
        run: `nd_run(program)`; it releases the GIL.
    """

    isa: str
    kernels: dict[str, int]
    functions: dict[str, int]
    binaries: dict[str, int]
    table: int
    run: Any


def missing_reason() -> str | None:
    """Why there is no library, as a clause; None if there is one."""
    loaded = _loaded()
    return loaded if isinstance(loaded, str) else None


@cache
def load_library() -> Library | None:
    """The library, or None if it was not built for this platform; `missing_reason` says why.

    Raises:
        DeviceError: E0912 if `NETDSL_ISA` names an instruction set that this machine or the library lacks.
    """
    native = _loaded()
    if isinstance(native, str):
        return None
    native.nd_set_name.restype = ctypes.c_char_p
    native.nd_set_kernels.restype = ctypes.POINTER(_NamedKernel)
    native.nd_run.restype = None
    sets = {native.nd_set_name(n).decode(): n for n in range(native.nd_set_count())}
    usable = [name for name, n in sets.items() if native.nd_set_runs(n)]
    isa = os.environ.get(ISA_VARIABLE) or usable[0]
    if isa not in usable:
        message = f"{ISA_VARIABLE} is `{isa}`, which this machine cannot run"
        raise DeviceError.make("E0912", message, help=f"it runs {', '.join(usable)}")
    table = native.nd_set_kernels(sets[isa])
    functions, binaries = (_names(getattr(native, name)) for name in ("nd_functions", "nd_binaries"))
    address = ctypes.addressof(table.contents)
    return Library(isa, _numbers(table), functions, binaries, address, native.nd_run)


@cache
def _loaded() -> ctypes.CDLL | str:
    """The shared library, or why there is none."""
    if not LIBRARY.is_file():
        return "it was not built when netdsl was installed: there was no C compiler"
    try:
        native = ctypes.CDLL(str(LIBRARY))
    except OSError as failed:
        return f"{LIBRARY.name} cannot be loaded: {failed}"
    if not hasattr(native, "nd_interface") or native.nd_interface() != INTERFACE:
        return "it was built from other sources: build it again by `make native` or `pip install`"
    return native


def _numbers(table: Any) -> dict[str, int]:
    numbers: dict[str, int] = {}
    while table[len(numbers)].name:
        numbers[table[len(numbers)].name.decode()] = len(numbers)
    return numbers


def _names(names_of: Any) -> dict[str, int]:
    """The numbers of names that end with NULL."""
    names_of.restype = ctypes.POINTER(ctypes.c_char_p)
    names, numbers = names_of(), dict[str, int]()
    while names[len(numbers)]:
        numbers[names[len(numbers)].decode()] = len(numbers)
    return numbers
