"""Collects the records of a program, and the layouts in which its values exist."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from netdsl.graph import Port
from netdsl.immutable import immutable
from netruntime.native.layouts import Image
from netruntime.native.memory import ARENA, CONSTANTS, OUTER, Buffer, Ref, aligned, plan_arena
from netruntime.native.steps import ArrayType
from netruntime.native.views import AXES, View, contiguous, loops

Array = Any
Packer = Callable[..., Array]
"""Makes an array of constants from arrays of weights."""

POINTERS, NUMBERS = 8, 38
OFFSET_BITS = 48
LOOP = "loop"
"""The kernel of a record that says how often the ones after it run; see native.h."""
COPIED = 65536
"""Bytes of a task that copies."""
LARGE = 2**20
"""Constants of so many bytes or more have slots of their own, so that several runs can share them."""


@immutable
class Record:
    """A call of a kernel: how many tasks it has, where its arrays are, its numbers, and its node.

    Args:
        advances: In a loop, the bytes that each pointer advances from one time to the next.
    """

    kernel: str
    tasks: int
    refs: tuple[Ref | None, ...]
    numbers: tuple[int, ...]
    node: int = -1
    advances: tuple[int, ...] = ()


@immutable(eq=False)
class Packed:
    """Constants at `at`, made from weights.

    Args:
        pack: Makes them: a function, or a kernel that reads the slot `OUTER` and writes to the slot
            `CONSTANTS`. None for one weight as it is.
    """

    at: Ref
    weights: tuple[Port, ...]
    pack: Packer | Record | None


@dataclass
class Builder:
    """Lowered steps write their records here.

    Args:
        types: The types of all values.
        borders: For the images that a convolution reads, the border that it needs.
        inputs, results: The values that the caller passes and takes, in the order of their slots.
        constants: The values that depend on weights alone.
        same: For values that a result is another name of, that result.
        exact: Whether to leave out kernels that round more than the operators on NumPy.
    """

    types: Mapping[Port, ArrayType]
    borders: Mapping[Port, tuple[int, int]]
    inputs: Sequence[Port]
    results: Sequence[Port]
    constants: frozenset[Port]
    same: Mapping[Port, Port]
    exact: bool = False
    records: list[Record] = field(default_factory=list)
    packs: list[Packed] = field(default_factory=list)
    plains: dict[Port, Ref] = field(default_factory=dict)
    images: dict[Port, Image] = field(default_factory=dict)
    views: dict[Port, View] = field(default_factory=dict)
    """Values that lie in memory with other strides than NumPy's."""
    status: Ref | None = None
    """Where kernels report values that they cannot take."""
    known: dict[Hashable, Ref] = field(default_factory=dict)
    """What steps computed besides their outputs, for later ones."""
    node: int = -1
    """The node of the step that is being lowered."""
    small_bytes: int = 0
    """Bytes of the constants that lie beside each other, so far."""
    large: list[Ref] = field(default_factory=list)
    """The constants with slots of their own, which come after those of the results."""
    scratch: Ref = field(default_factory=lambda: Ref(Buffer(0)))
    """The room of the first thread for its task, behind the arena."""

    def __post_init__(self) -> None:
        for n, port in enumerate(self.inputs):
            self.plains[port] = Ref(Buffer(self._bytes(port), OUTER + n))

    # -- values -----------------------------------------------------------------------------------

    def plain(self, port: Port) -> Ref:
        """A value as NumPy's array, converted if it exists as an image alone."""
        if port in self.constants and port not in self.plains:
            at = self.plains[port] = self._constant_room(self._bytes(port))
            self.packs.append(Packed(at, (port,), None))
        if port not in self.plains and port in self.views:
            self.copy(self.views[port], self.contiguous(port))
        if port not in self.plains:
            image = self.images[port]
            at = self.new_plain(port)
            self.emit("to_plain", image.batch * image.blocks, [at, image.at], image.dimensions)
        return self.plains[port]

    def image(self, port: Port) -> Image:
        """A value `[B, C, H, W]` as an image, converted if it exists as an array alone."""
        if port not in self.images:
            image = self.new_image(port)
            refs = [self.plain(port), image.at]
            self.emit("to_blocked", image.batch * image.blocks, refs, image.dimensions)
        return self.images[port]

    def new_plain(self, port: Port) -> Ref:
        """Room for a value as NumPy's array: the caller's, if it is a result or the same as one."""
        at = self.plains[port] = Ref(Buffer(self._bytes(port), self._slot(self.same.get(port, port))))
        return at

    def view(self, port: Port) -> View:
        """A value with the strides that it has in memory."""
        if port in self.views and port not in self.plains:
            return self.views[port]
        return self._whole(self.plain(port), port)

    def contiguous(self, port: Port) -> View:
        """Room for a value as NumPy's array, as a view."""
        return self._whole(self.new_plain(port), port)

    def _whole(self, at: Ref, port: Port) -> View:
        type_ = self.types[port]
        return View(at, type_.shape, contiguous(type_.shape), type_.itemsize)

    def show(self, port: Port, view: View) -> None:
        """Let a value be a view of the same shape, or its elements in order."""
        if view.is_contiguous:
            self.plains[port] = view.at
        elif view.shape == self.types[port].shape:
            self.views[port] = view
        else:
            target = self.contiguous(port)
            self.copy(view, target.must(lambda array: array.reshape(view.shape)))

    def new_ordered(self, port: Port, order: Sequence[int]) -> Ref:
        """Room for a value with its axes in another order in memory, from the outermost to the innermost."""
        if list(order) == sorted(order):
            return self.new_plain(port)
        type_ = self.types[port]
        shape = tuple(type_.shape[axis] for axis in order)
        inner = View(Ref(Buffer(type_.nbytes)), shape, contiguous(shape), type_.itemsize)
        back = sorted(range(len(order)), key=order.__getitem__)
        self.show(port, inner.must(lambda array: array.transpose(back)))
        return inner.at

    def in_order(self, port: Port, order: Sequence[int]) -> Ref:
        """A value with its axes in another order, contiguously."""
        view = self.view(port).must(lambda array: array.transpose(order))
        return self.gathered(view).at

    def gathered(self, view: View) -> View:
        """A view as a contiguous array, copied if it lies otherwise."""
        if view.is_contiguous:
            return view
        at = self.temporary_bytes(prod(view.shape) * view.itemsize)
        target = View(at, view.shape, contiguous(view.shape), view.itemsize)
        self.copy(view, target)
        return target

    def copy(self, source: View, target: View) -> None:
        """Copy a view to another one of the same shape."""
        over = loops(source.shape, source.strides, target.strides)
        assert over is not None, "lowerings accept no more axes"
        sizes, (a, b) = over
        length = max(COPIED // 4, 1)
        tasks = prod(sizes[: AXES - 1]) * -(-sizes[-1] // length)
        self.emit("copy_strides", tasks, [source.at, target.at], [source.itemsize, length, *sizes, *a, *b])

    def _slot(self, port: Port) -> int:
        return OUTER + len(self.inputs) + self.results.index(port) if port in self.results else ARENA

    def new_image(self, port: Port) -> Image:
        """Room for a value as an image, with its border cleared."""
        shape = self.types[port].shape
        border = self.borders.get(port, (0, 0))
        batch, channels, height, width = shape
        image = Image(Ref(Buffer(0)), batch, channels, height, width, border)
        image.at.buffer.size = 4 * image.size
        if any(border):
            self.emit("clear_border", image.batch * image.blocks, [None, image.at], image.dimensions)
        self.images[port] = image
        return image

    def alias(self, port: Port, of: Port) -> None:
        """Let a value be another one with another shape."""
        self.plains[port] = self.plain(of)

    def deliver(self, port: Port) -> None:
        """Let a result be in the caller's array."""
        slot = self._slot(port)
        at = self.plain(port)
        if at.buffer.slot != slot:
            size = self._bytes(port)
            self.emit("copy", -(-size // COPIED), [at, Ref(Buffer(size, slot))], [size, COPIED])

    def temporary(self, size: int) -> Ref:
        """So many floats for the next records alone."""
        return self.temporary_bytes(4 * size)

    def temporary_bytes(self, size: int) -> Ref:
        return Ref(Buffer(size))

    def reported(self) -> Ref:
        """An integer that is 0 at first; a kernel sets it when it meets a value that it cannot take."""
        self.status = self.status or self.temporary_bytes(4)
        return self.status

    def scratch_of(self, size: int) -> Ref:
        """So many floats for each thread, one after the other, which keep nothing from task to task."""
        self.scratch.buffer.size = max(self.scratch.buffer.size, aligned(4 * size))
        return self.scratch

    def constant(self, shape: Sequence[int], pack: Packer, *weights: Port) -> Ref:
        """An array of the shape, of four bytes an element, that is made once from weights."""
        at = self._constant_room(4 * prod(shape))
        self.packs.append(Packed(at, weights, pack))
        return at

    def packed(self, size: int, port: Port, kernel: str, tasks: int, numbers: Sequence[int]) -> Ref:
        """So many floats that a kernel makes from a weight: once if it is a constant, else in each run."""
        if port not in self.constants:
            at = self.temporary(size)
            self.emit(kernel, tasks, [self.plain(port), at], numbers)
            return at
        at = self._constant_room(4 * size)
        refs = Ref(Buffer(self._bytes(port), OUTER)), Ref(Buffer(4 * size, CONSTANTS))
        self.packs.append(Packed(at, (port,), Record(kernel, tasks, refs, tuple(numbers))))
        return at

    def _constant_room(self, size: int) -> Ref:
        if size >= LARGE:
            at = Ref(Buffer(size, OUTER + len(self.inputs) + len(self.results) + len(self.large)))
            self.large.append(at)
            return at
        at = Ref(Buffer(size, CONSTANTS, self.small_bytes))
        self.small_bytes += aligned(size)
        return at

    @property
    def constant_bytes(self) -> int:
        """Bytes of all constants but those that are weights as they are."""
        made = [one.at.buffer.size for one in self.packs if one.at in self.large and one.pack is not None]
        return self.small_bytes + sum(made)

    def fixed(self, array: Array) -> Ref:
        """An array that never changes."""
        at = self._constant_room(array.nbytes)
        self.packs.append(Packed(at, (), lambda: array))
        return at

    def table(self, numbers: Sequence[int]) -> Ref:
        """A constant array of 32-bit integers."""
        return self.fixed(np.array(numbers, np.int32))

    def _bytes(self, port: Port) -> int:
        return self.types[port].nbytes

    # -- records ----------------------------------------------------------------------------------

    def emit(
        self,
        kernel: str,
        tasks: int,
        refs: Sequence[Ref | None],
        numbers: Sequence[int],
        advances: Sequence[int] = (),
    ) -> None:
        """Add a call of a kernel; in a loop, its pointers advance by so many bytes, or as they say."""
        for ref in refs:
            if ref is not None:
                ref.buffer.used_by(len(self.records))
        moves = tuple(advances) or tuple(0 if ref is None else ref.step for ref in refs)
        record = Record(kernel, tasks, tuple(refs), tuple(numbers), self.node, moves if any(moves) else ())
        self.records.append(record)

    @contextmanager
    def loop(self, times: int) -> Iterator[None]:
        """Let the records that are added within run so many times."""
        start = len(self.records)
        self.records.append(Record(LOOP, 1, (), (), self.node))
        yield
        body = self.records[start + 1 :]
        self.records[start] = Record(LOOP, 1, (), (times, len(body)), self.node)
        buffers = {ref.buffer for record in body for ref in record.refs if ref is not None}
        for buffer in buffers:  # each time needs what was there before
            buffer.used_by(len(self.records) - 1)
            buffer.first = min(buffer.first, start)

    def finish(self, kernels: Mapping[str, int]) -> tuple[Array, int]:
        """The records as numbers, and the size of the arena."""
        refs = [ref for record in self.records for ref in record.refs if ref is not None]
        if self.status is not None:
            self.status.buffer.first, self.status.buffer.last = 0, len(self.records)
        buffers = {ref.buffer: None for ref in refs if ref.buffer.slot == ARENA}
        buffers.pop(self.scratch.buffer, None)
        size = self.scratch.buffer.offset = plan_arena(buffers)
        return table_of(self.records, kernels), size


def table_of(records: Sequence[Record], kernels: Mapping[str, int]) -> Array:
    """Records as the numbers of `Record` in native.h."""
    table = np.zeros((len(records), 2 + POINTERS + NUMBERS), np.int64)
    for row, record in zip(table, records, strict=True):
        row[:2] = -1 if record.kernel == LOOP else kernels[record.kernel], record.tasks
        row[2 : 2 + POINTERS] = -1
        for n, ref in enumerate(record.refs):
            if ref is not None:
                row[2 + n] = ref.buffer.slot << OFFSET_BITS | (ref.buffer.offset + ref.offset)
        row[2 + POINTERS : 2 + POINTERS + len(record.numbers)] = record.numbers
        if record.advances:
            row[-POINTERS : len(row) - POINTERS + len(record.advances)] = record.advances
    return table
