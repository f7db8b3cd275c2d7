"""Compiled steps that run on arrays: `nd_run` with the addresses of everything."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from netdsl.graph import Port
from netruntime.native.builder import Builder
from netruntime.native.layouts import Image
from netruntime.native.library import Library
from netruntime.native.memory import ALIGNMENT, Ref
from netruntime.native.packing import Packing
from netruntime.native.program import Chunks, Constants, Frame
from netruntime.native.steps import ArrayType, Step

Array = Any


class RefusedError(Exception):
    """A kernel met a value that it cannot take, such as an index outside of a table. NumPy says which."""


class NativeRun:
    """Steps as one native call: `run(*inputs, *weights)` gives the results.

    It may be called from several threads: each call takes an arena of its own. The weights are packed when
    they are first seen, and again if they are other arrays or can be written to.
    """

    def __init__(
        self,
        build: Builder,
        constant_steps: Mapping[int, Step],
        table: Array,
        arena: int,
        library: Library,
        threads: Callable[[], int],
        *,
        chunks: Chunks,
        types: Mapping[Port, ArrayType],
    ) -> None:
        self.inputs = tuple(build.inputs)
        self.results = tuple(build.results)
        self._packing = Packing(build, constant_steps, library, threads)
        self.weights = self._packing.weights
        self.records = build.records
        self.arena = arena
        self.scratch = build.scratch.buffer.size
        """Bytes of each thread behind the arena."""
        self.values: dict[Port, Ref | Image] = {**build.plains, **build.images}
        """Where values are, as arrays or images."""
        self.constant_bytes = build.constant_bytes
        """Bytes of what is made of the weights."""
        self.packing_bytes = self._packing.bytes_between
        """Bytes of values between the weights and the constants, while those are made."""
        self.released, self.mapped_peak = self._packing.released, self._packing.mapped_peak
        """See `Packing`."""
        self.types = build.types
        """Of all values; of a chunk, where there are several."""
        self._results = [(types[port].shape, np.dtype(types[port].numpy_name)) for port in self.results]
        self.dtypes = [np.dtype(types[port].numpy_name) for port in self.inputs]
        self._status = None if build.status is None else build.status.buffer.offset
        self._table, self._library, self._threads = table, library, threads
        self.chunks = chunks
        """How it goes through the batch; `arena` and `records` are those of one chunk."""
        self._slots = 2 + len(self.inputs) + len(self.results) + len(build.large)
        self._frames: list[Frame] = []
        self._constants: Constants | None = None

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """The results for the arrays of `inputs`, then of `weights`."""
        count = len(self.inputs)
        inputs = [np.ascontiguousarray(array) for array in arrays[:count]]
        return self.call(inputs, self.prepare(arrays[count:]))

    def call(
        self, inputs: Sequence[Array], constants: Constants, times: Array | None = None
    ) -> tuple[Array, ...]:
        """The results for contiguous inputs, and the constants that `prepare` returned.

        Args:
            times: 64-bit zeros that get the nanoseconds that each record took.

        Raises:
            RefusedError: the operators on NumPy have to run instead.
        """
        results = [np.empty(shape, dtype) for shape, dtype in self._results]
        frame = self._free_frame(self._threads())
        frame.use(constants)
        for n, array in enumerate(chain(inputs, results), 2):
            frame.slots[n] = array.__array_interface__["data"][0]
        status = None if self._status is None else ctypes.c_int32.from_address(frame.arena + self._status)
        if status is not None:
            status.value = 0
        if times is not None:
            frame.measure(times)
        self._library.run(frame.pointer)
        if times is not None:
            frame.measure(None)
        refused = status is not None and status.value != 0
        self._frames.append(frame)
        if refused:
            raise RefusedError
        return tuple(results)

    def memory(self, threads: int) -> int:
        """The bytes of a call on so many threads, beside inputs and results."""
        size = self.arena + threads * self.scratch
        return size * threads if self.chunks.count > 1 else size

    def _free_frame(self, threads: int) -> Frame:
        """The memory of a call that no other call uses now; new memory where there is none."""
        try:
            frame = self._frames.pop()
        except IndexError:
            frame = None
        if frame is not None and frame.threads == threads:
            return frame
        size = self.arena + threads * self.scratch
        size = -(-size // ALIGNMENT) * ALIGNMENT
        kernels = self._library.table
        return Frame(self._table, self._slots, size, kernels, chunks=self.chunks, threads=threads)

    def prepare(self, weights: Sequence[Array]) -> Constants:
        """The constants for these weights.

        Arrays that can be written to may have changed since: they are packed for each call.
        """
        constants = self._constants
        if constants is None or not constants.are_of(weights):
            constants = self._constants = self._packing.constants(weights)
        return constants
