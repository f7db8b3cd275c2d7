"""The memory of a program: buffers, and where those that live at different times share the arena."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netdsl.immutable import immutable

ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector."""
ARENA, CONSTANTS, OUTER = 0, 1, 2
"""Slots: the arena, the constants, and the first of the arrays that a caller passes."""


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(eq=False)
class Buffer:
    """Some bytes of a slot; `offset` is set when the memory is planned."""

    size: int
    slot: int = ARENA
    offset: int = 0
    first: int = -1
    """The record that uses it first; -1 for none."""
    last: int = -1

    def used_by(self, record: int) -> None:
        self.first = record if self.first < 0 else self.first
        self.last = record


@immutable
class Ref:
    """A place in a buffer; in a loop, one that moves on by `step` bytes from one time to the next."""

    buffer: Buffer
    offset: int = 0
    step: int = 0

    def at(self, offset: int) -> Ref:
        return Ref(self.buffer, self.offset + offset, self.step)


def plan_arena(buffers: Iterable[Buffer]) -> int:
    """Set the offsets of buffers and return the arena's size: the largest first, each as low as it fits."""
    placed: list[Buffer] = []
    size = 0
    for buffer in sorted(buffers, key=lambda buffer: -buffer.size):
        beside = sorted(
            (other for other in placed if other.first <= buffer.last and buffer.first <= other.last),
            key=lambda other: other.offset,
        )
        offset = 0
        for other in beside:
            if offset + buffer.size <= other.offset:
                break
            offset = max(offset, other.offset + aligned(other.size))
        buffer.offset = offset
        placed.append(buffer)
        size = max(size, offset + aligned(buffer.size))
    return size
