"""The memory of a cache: an array with capacity for more positions than it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LEAST_ROOM = 16
"""Positions of the smallest buffer."""


def room_of(positions: int, room: int = LEAST_ROOM) -> int:
    """The room for so many positions: it is doubled until they fit."""
    while room < positions:
        room *= 2
    return room


class Buffer:
    """An array with a growing axis. Its capacity doubles when exhausted: O(1) amortised per position.

    Args:
        xp: The array module.
        shape: The other sizes; the size of the growing axis is ignored.
        axis: The axis that grows.
        per_item: In a packed cache, the positions at each place of the axis; else 0.
        room: The positions that there is room for at first.
    """

    def __init__(
        self,
        xp: Any,
        shape: Sequence[int],
        dtype: str,
        axis: int,
        *,
        per_item: int = 0,
        room: int = LEAST_ROOM,
    ) -> None:
        self._xp = xp
        self._axis = axis
        self._per_item = per_item
        self.length = 0
        self.room = room
        self._array = self._with_room(shape, room, dtype)

    def grow(self, count: int) -> Any:
        """All positions, followed by `count` free places for the caller to fill.

        They are a view of as many positions; a packed cache is the complete array.
        """
        length = self.length + count
        if length > self.room:
            self.room = room_of(length, self.room)
            larger = self._with_room(self._array.shape, self.room, self._array.dtype)
            filled = self._run(self.length)
            larger[filled] = self._array[filled]
            self._array = larger
        self.length = length
        return self._array if self._per_item else self._array[self._run(length)]

    def bytes_at(self, length: int) -> int:
        """The bytes that it does not have yet and needs to hold this many positions."""
        held = self.room if self.length else 0
        return int(self._array.nbytes) // self.room * max(length - held, 0)

    def take(self, rows: Any, axis: int) -> None:
        """Reorder the rows along `axis`; a row may repeat."""
        filled = self._array[self._run(self.length)]
        reordered = self._xp.take(filled, rows, axis=axis)
        self._array = self._with_room(reordered.shape, self.room, reordered.dtype)
        self._array[self._run(self.length)] = reordered

    def _run(self, length: int) -> tuple[slice, ...]:
        return (slice(None),) * self._axis + (slice(self._items(length)),)

    def _items(self, positions: int) -> int:
        return -(-positions // max(self._per_item, 1))

    def _with_room(self, shape: Sequence[int], room: int, dtype: Any) -> Any:
        """An array for so many positions; zeros if it is packed: kernels read beyond the filled ones."""
        make = self._xp.zeros if self._per_item else self._xp.empty
        return make((*shape[: self._axis], self._items(room), *shape[self._axis + 1 :]), dtype=dtype)
