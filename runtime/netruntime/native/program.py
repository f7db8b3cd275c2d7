"""What one call of the C library runs on: the records of a run, and memory of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.native.builder import Record, table_of
from netruntime.native.library import Library
from netruntime.native.memory import ALIGNMENT

Array = Any
WRITEABLE = attrgetter("flags.writeable")
MAX_SLOTS = 16
"""Of a program that runs in chunks, as in `native.h`."""


def aligned_bytes(size: int) -> tuple[Array, int]:
    """So many bytes at a multiple of `ALIGNMENT`, with the array that owns them, and their address."""
    owner = np.empty(size + ALIGNMENT, np.uint8)
    return owner, -(-address_of(owner) // ALIGNMENT) * ALIGNMENT


def address_of(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


class Program(ctypes.Structure):
    """As `Program` in `native.h`."""

    _fields_ = (
        ("records", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("slots", ctypes.c_void_p),
        ("kernels", ctypes.c_void_p),
        ("times", ctypes.c_void_p),
        ("threads", ctypes.c_int64),
        ("chunks", ctypes.c_int64),
        ("advance", ctypes.c_void_p),
        ("slot_count", ctypes.c_int64),
    )


@dataclass(eq=False)
class Large:
    """A large constant: where it is, who owns the memory, and the weights that it was made from."""

    address: int
    owner: Array
    weights: tuple[Array, ...]


@immutable(eq=False)
class Constants:
    """The constants of a run for some weights: the small ones from `address` on, and the large ones."""

    weights: tuple[Array, ...]
    address: int
    owner: Array
    large: tuple[Large, ...]

    def are_of(self, weights: Sequence[Array]) -> bool:
        """Whether they are made of these arrays, and none of them can have been written to since."""
        return all(map(is_, self.weights, weights)) and not any(map(WRITEABLE, weights))


@immutable
class Chunks:
    """How a run goes through its batch.

    Args:
        count: How many chunks there are; 1 for all rows at once. They are made for the threads at compile
            time: with more threads later, some may idle.
        rows: The rows of a chunk.
        advance: The bytes from one chunk to the next of each input and result.
    """

    count: int = 1
    rows: int = 0
    advance: Sequence[int] = ()


class Frame:
    """The memory of one call: an arena, the addresses of the slots, and the program that refers to them.

    Args:
        size: The bytes of the arena; in chunks, each of so many threads has as many.
    """

    def __init__(
        self, table: Array, slots: int, size: int, kernels: int, *, chunks: Chunks, threads: int
    ) -> None:
        self.threads = threads
        copies = threads if chunks.count > 1 else 1
        self._owner, self.arena = aligned_bytes(size * copies)
        self.slots = (ctypes.c_void_p * slots)(self.arena)
        self._advance = (ctypes.c_int64 * slots)(size, 0, *chunks.advance)
        self._program = Program(
            address_of(table),
            len(table),
            ctypes.addressof(self.slots),
            kernels,
            None,
            threads,
            chunks.count,
            ctypes.addressof(self._advance),
            slots,
        )
        self.pointer = ctypes.byref(self._program)
        self._constants: Constants | None = None

    def use(self, constants: Constants) -> None:
        """Let the slots of constants hold these."""
        if constants is not self._constants:
            self._constants = constants
            self.slots[1] = constants.address
            first = len(self.slots) - len(constants.large)
            for n, large in enumerate(constants.large, first):
                self.slots[n] = large.address

    def measure(self, times: Array | None) -> None:
        """Let the next run write the nanoseconds of each record over 64-bit zeros; None ends that."""
        self._program.times = None if times is None else address_of(times)


def run_once(
    library: Library, records: Sequence[Record], addresses: Sequence[int | None], threads: int
) -> None:
    """Run records on the slots at these addresses, of which the first is the arena."""
    table = table_of(records, library.kernels)
    frame = Frame(table, len(addresses), 0, library.table, chunks=Chunks(), threads=threads)
    for n, address in enumerate(addresses):
        frame.slots[n] = address
    library.run(frame.pointer)
