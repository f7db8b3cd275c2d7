"""In which part of time a value is needed: the new positions, or all positions so far.

A model over whole sequences gives a value an axis of size `T` for each role time plays in it. Where the
model runs on a chunk of new positions, such an axis has either the new positions alone (`NEW`), or the past
ones too (`ALL`). A `Form` says which, axis by axis; None stands for axes that are not time.

Symbolically, the time symbol `T` now stands for the number of new positions, `PAST` for those before, and
`T + PAST` for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from netdsl.dims import Dim, symbol
from netdsl.ops.sequence.scan import Program
from netdsl.types import TensorType

PAST = "past positions"
"""The symbol of how many positions came before the chunk; no name in a `.net` file can be this."""


class Part(Enum):
    """Which positions an axis of time has."""

    NEW = "new"
    ALL = "all"


Form = tuple[Part | None, ...]


class UnsupportedError(Exception):
    """Something that cannot be computed from new positions and caches: `reason`, at a `node` of the graph."""

    def __init__(self, reason: str, node: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.node = node


@dataclass(frozen=True)
class Time:
    """The time of a model: the symbol that is the number of positions."""

    name: str

    @property
    def new(self) -> Dim:
        return symbol(self.name)

    @property
    def past(self) -> Dim:
        return symbol(PAST)

    @property
    def all(self) -> Dim:
        return self.new + self.past

    def size(self, part: Part | None, size: Dim) -> Dim:
        """The size of an axis in the form `part`, which was `size` in the model."""
        return self.all if part is Part.ALL else size

    def is_axis(self, size: Dim) -> bool:
        return size == self.new

    def is_window(self, size: Dim) -> bool:
        """Whether an axis holds the positions, with a few before them or none; see `windows`."""
        before = size - self.new
        return before.is_fixed and before.value >= 0

    def axes(self, type_: TensorType) -> tuple[int, ...]:
        """The axes of time. Raises `UnsupportedError` where time is a part of an axis."""
        for size in type_.shape:
            if self.name in size.symbols and not self.is_window(size):
                raise UnsupportedError(f"time is a part of an axis of {type_}")
        return tuple(axis for axis, size in enumerate(type_.shape) if self.is_window(size))

    def all_new(self, type_: TensorType) -> Form:
        """The form of a value at the new positions."""
        return tuple(Part.NEW if self.is_window(size) else None for size in type_.shape)

    def in_attributes(self, op: Any) -> bool:
        """Whether an operator's attributes depend on the number of positions."""
        return any(self._within(getattr(op, field.name)) for field in fields(op))

    def _within(self, value: Any) -> bool:
        if isinstance(value, Dim):
            return self.name in value.symbols
        if isinstance(value, Program):
            return any(self.in_attributes(step.op) for step in value.steps) or any(
                self._within(type_.shape) for type_ in value.types
            )
        if isinstance(value, tuple):
            return any(self._within(part) for part in value)
        return is_dataclass(value) and not isinstance(value, type) and self.in_attributes(value)

    def with_parts(self, sizes: Sequence[Dim], form: Form) -> tuple[Dim, ...]:
        """The sizes of a value in that form."""
        return tuple(self.size(part, size) for part, size in zip(form, sizes, strict=True))
