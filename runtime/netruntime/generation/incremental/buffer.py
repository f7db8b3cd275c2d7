"""The memory of a cache: an array with capacity for more positions than it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LEAST_ROOM = 16
"""Positions of the smallest buffer."""


class Buffer:
    """An array with a growing axis. Its capacity doubles when exhausted: O(1) amortised per position.

    Args:
        xp: The array module.
        shape: The other sizes; the size of the growing axis is ignored.
        axis: The axis that grows.
    """

    def __init__(self, xp: Any, shape: Sequence[int], dtype: str, axis: int) -> None:
        self._xp = xp
        self._axis = axis
        self.length = 0
        self._array = xp.empty(self._with_room(shape, LEAST_ROOM), dtype=dtype)

    def grow(self, count: int) -> Any:
        """A view of all positions, followed by `count` free places for the caller to fill."""
        length = self.length + count
        if length > self._array.shape[self._axis]:
            room = max(length, 2 * self._array.shape[self._axis])
            larger = self._xp.empty(self._with_room(self._array.shape, room), dtype=self._array.dtype)
            filled = self._run(self.length)
            larger[filled] = self._array[filled]
            self._array = larger
        self.length = length
        return self._array[self._run(length)]

    def bytes_at(self, length: int) -> int:
        """The bytes that it does not have yet and needs to hold this many positions."""
        held = int(self._array.shape[self._axis])
        return int(self._array.nbytes) // held * max(length - held, 0)

    def take(self, rows: Any, axis: int) -> None:
        """Reorder the rows along `axis`; a row may repeat."""
        filled = self._array[self._run(self.length)]
        reordered = self._xp.take(filled, rows, axis=axis)
        larger = self._with_room(reordered.shape, self._array.shape[self._axis])
        self._array = self._xp.empty(larger, dtype=reordered.dtype)
        self._array[self._run(self.length)] = reordered

    def _run(self, length: int) -> tuple[slice, ...]:
        return (slice(None),) * self._axis + (slice(length),)

    def _with_room(self, shape: Sequence[int], room: int) -> tuple[int, ...]:
        return (*shape[: self._axis], room, *shape[self._axis + 1 :])
