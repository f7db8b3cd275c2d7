"""The constants of a run, made from weights: small ones beside each other, large ones shared between runs.

A network has a run for each shape of its inputs, and all read the same weights. A large constant that was
made of the same weights in the same way is therefore in memory once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from netdsl.graph import Port
from netdsl.ops.shape.rearrange import Transpose
from netruntime.files.mapped import release_mapped
from netruntime.memory import return_freed_memory
from netruntime.native.builder import Builder, Packed, Record
from netruntime.native.constants import evaluate, needed_for, room_for
from netruntime.native.library import Library
from netruntime.native.memory import CONSTANTS
from netruntime.native.program import Constants, Large, address_of, aligned_bytes, run_once
from netruntime.native.steps import Step

Array = Any
FREED = 2**20
"""More than so many bytes of freed arrays are given back to the system."""


HUGE = 2**25
"""Constants of so many bytes or more are made before the others."""
SHARED: WeakValueDictionary[Hashable, Large] = WeakValueDictionary()
"""The large constants of this process by how they were made; one lives as long as a run has it."""


class Packing:
    """Makes the constants of a run.

    Args:
        steps: The steps that depend on weights alone, by node.
    """

    def __init__(
        self, build: Builder, steps: Mapping[int, Step], library: Library, threads: Callable[[], int]
    ) -> None:
        self._packs = sorted(build.packs, key=_order)
        self._by_node = steps
        self._steps, weights = needed_for([port for one in self._packs for port in one.weights], steps)
        self.weights = tuple(weights)
        """The weights that are needed."""
        self._small_bytes = build.small_bytes
        views = [port for one in self._packs for port in one.weights if self._is_read_as_it_lies(one)]
        types = {**build.types, **{port: replace(build.types[port], shape=(0,)) for port in views}}
        self.bytes_between = room_for(self._steps, [one.weights for one in self._packs], types)
        """Bytes of values between the weights and the constants, while those are made."""
        self.released, self.mapped_peak = self._of_mapped(build)
        """The weights that are given back if a file is mapped for them, and the most bytes of constants and
        such weights at once."""
        self._library, self._threads = library, threads

    def _of_mapped(self, build: Builder) -> tuple[frozenset[Port], int]:
        """See `released` and `mapped_peak`; of a table that is read as it is, a few rows are in memory."""
        released: set[Port] = set()
        made, peak = self._small_bytes, 0
        for one in self._packs:
            if one.at.buffer.slot == CONSTANTS:
                continue
            weights = needed_for(one.weights, self._by_node)[1]
            released.update(weights)
            if one.pack is not None:
                made += one.at.buffer.size
                peak = max(peak, made + sum(build.types[port].nbytes for port in weights))
        return frozenset(released), peak

    def _is_read_as_it_lies(self, one: Packed) -> bool:
        """Whether a constant is packed from a transposed weight without a copy of that."""
        if not isinstance(one.pack, Record) or one.pack.kernel != "pack":
            return False
        step = self._by_node.get(one.weights[0][0])
        source = None if step is None or step.op != Transpose((1, 0)) else step.inputs[0]
        return source is not None and source[0] not in self._by_node

    def constants(self, weights: Sequence[Array]) -> Constants:
        """The constants for these arrays. Those of arrays that can be written to are not shared."""
        by_port = dict(zip(self.weights, weights, strict=True))
        owner, address = aligned_bytes(self._small_bytes)
        small = owner[address - address_of(owner) :]
        keys = {one: self._key(one, by_port) for one in self._packs if one.at.buffer.slot != CONSTANTS}
        made = {one: large for one, key in keys.items() if (large := SHARED.get(key)) is not None}
        missing = [one for one in self._packs if one not in made]
        values = evaluate(self._steps, by_port, [one.weights for one in missing])
        for one, arrays in zip(missing, values, strict=True):
            if one in keys:
                made[one] = self._large(one, arrays, tuple(weights))
                if keys[one] is not None:
                    SHARED[keys[one]] = made[one]
                if one.pack is not None:
                    self._release(one, by_port)
            else:
                self._pack(one, arrays, small[one.at.buffer.offset :])
        if self.bytes_between > FREED and not any(array.flags.writeable for array in weights):
            return_freed_memory()
        by_slot = sorted(keys, key=lambda one: one.at.buffer.slot)
        return Constants(tuple(weights), address, owner, tuple(made[one] for one in by_slot))

    def _release(self, one: Packed, weights: Mapping[Port, Array]) -> None:
        """Give back the memory of weights of a file, which are packed now."""
        for port in needed_for(one.weights, self._by_node)[1]:
            release_mapped(weights[port])

    def _large(self, one: Packed, arrays: Sequence[Array], weights: tuple[Array, ...]) -> Large:
        if one.pack is None:
            array = np.ascontiguousarray(arrays[0])
            return Large(address_of(array), array, weights)
        owner, address = aligned_bytes(one.at.buffer.size)
        self._pack(one, arrays, owner[address - address_of(owner) :])
        return Large(address, owner, weights)

    def _pack(self, one: Packed, arrays: Sequence[Array], place: Array) -> None:
        """Write a constant to its place."""
        if isinstance(one.pack, Record):
            source, record = _as_it_lies(arrays[0], one.pack)
            addresses = [None, address_of(place), address_of(source)]
            run_once(self._library, [record], addresses, self._threads())
            return
        contiguous = [np.ascontiguousarray(array) for array in arrays]
        array = np.ascontiguousarray(contiguous[0] if one.pack is None else one.pack(*contiguous))
        place[: array.nbytes] = array.reshape(-1).view(np.uint8)

    def _key(self, one: Packed, weights: Mapping[Port, Array]) -> Hashable:
        """How a constant is made, alike in all runs; None if it is not to be shared."""
        _, ports = needed_for(one.weights, self._by_node)
        if any(weights[port].flags.writeable for port in ports):
            return None
        pack = one.pack
        how = (pack.kernel, pack.tasks, pack.numbers) if isinstance(pack, Record) else pack
        key = (how, tuple(self._origin(port, weights) for port in one.weights))
        try:
            hash(key)
        except TypeError:  # an operator that holds an array
            return None
        return key

    def _origin(self, port: Port, weights: Mapping[Port, Array]) -> Hashable:
        step = self._by_node.get(port[0])
        if step is None:
            return id(weights[port])
        inputs = (None if read is None else self._origin(read, weights) for read in step.inputs)
        return (step.op, port[1], tuple(inputs))


def _order(one: Packed) -> int:
    """The largest constants come first, while little else is in memory beside them and their weights."""
    return -one.at.buffer.size if one.at.buffer.size >= HUGE else 0


def _as_it_lies(array: Array, record: Record) -> tuple[Array, Record]:
    """A contiguous array, and the record that packs it: a transposed matrix is read without a copy."""
    if record.kernel == "pack" and array.ndim == 2 and array.flags.f_contiguous:
        depth, count = array.shape
        if record.numbers == (depth, count, count, 1):
            return array.T, replace(record, numbers=(depth, count, 1, depth))
    return np.ascontiguousarray(array), record
