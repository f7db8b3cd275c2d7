"""How operators behave along the time axis, for models that run on new positions with caches of past ones.

A model over sequences has axes of size `T`, the number of positions. When it runs on a chunk, such an axis
holds either the new positions alone or all positions so far; a `TimeSlice` says which, axis by axis. `T` is
then the number of new positions, `PAST` the number before them, and `T + PAST` their total.

Along most axes an operator treats each position independently: an `AxisMap` says along which.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from netdsl.dims import Dim, product, symbol
from netdsl.immutable import immutable
from netdsl.types import TensorType

PAST = "past positions"
"""The symbol of the number of positions before the chunk; not a valid name in a `.net` file."""


class UnsupportedError(Exception):
    """What cannot be computed from new positions and caches: `reason`, at a `node` of the graph."""

    def __init__(self, reason: str, node: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.node = node


class Positions(Enum):
    """The positions that a time axis holds."""

    NEW = "new"
    ALL = "all"


TimeSlice = tuple[Positions | None, ...]
"""For each axis of a value the positions that it holds; None if it is not a time axis."""

InputMap = tuple[int | None, ...]
"""For each axis of an input, the corresponding axis of the output, or None if it is reduced.

An output element depends, along a mapped axis, only on the same position of the input; along a reduced axis
it may depend on all positions.
"""

InputTypes = Sequence[TensorType | None]
"""The types of an operator's inputs, None for an omitted one."""


@immutable
class AxisMap:
    """The map of each input (empty for an omitted one), and the output axes whose positions mix.

    Along a mixed axis, positions depend on one another, as under a softmax.
    """

    inputs: tuple[InputMap, ...]
    mixed: frozenset[int] = frozenset()


@immutable
class TimeAxis:
    """The time of a model: `name` is the symbol of its number of positions."""

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

    def size(self, positions: Positions | None, size: Dim) -> Dim:
        """The size of an axis that holds these positions, and was `size` in the model."""
        return self.all if positions is Positions.ALL else size

    def is_axis(self, size: Dim) -> bool:
        return size == self.new

    def is_extended(self, size: Dim) -> bool:
        """Whether an axis holds the positions, possibly after a fixed number of others."""
        before = size - self.new
        return before.is_fixed and before.value >= 0

    def axes(self, type_: TensorType) -> tuple[int, ...]:
        """The time axes. Raises `UnsupportedError` if time is only a part of an axis."""
        for size in type_.shape:
            if self.name in size.symbols and not self.is_extended(size):
                raise UnsupportedError(f"time is only a part of an axis of {type_}")
        return tuple(axis for axis, size in enumerate(type_.shape) if self.is_extended(size))

    def all_new(self, type_: TensorType) -> TimeSlice:
        """The slice of a value at the new positions."""
        return tuple(Positions.NEW if self.is_extended(size) else None for size in type_.shape)

    def sizes(self, sizes: Sequence[Dim], slice_: TimeSlice) -> tuple[Dim, ...]:
        """The sizes of a value with this slice."""
        return tuple(self.size(positions, size) for positions, size in zip(slice_, sizes, strict=True))


def same_axes(rank: int) -> InputMap:
    """The map of an input whose axes are those of the output."""
    return tuple(range(rank))


def broadcast_axes(x: TensorType | None, rank: int) -> InputMap:
    """The map of an input that broadcasts to a result of that rank."""
    return () if x is None else tuple(axis + rank - x.rank for axis in range(x.rank))


def reduced_axes(xs: InputTypes) -> tuple[InputMap, ...]:
    """The maps of inputs that hold weights, in which no axis is time."""
    return tuple(() if x is None else (None,) * x.rank for x in xs)


def elementwise_map(xs: InputTypes, y: TensorType) -> AxisMap:
    """The map of an operator whose inputs broadcast to its output."""
    return AxisMap(tuple(broadcast_axes(x, y.rank) for x in xs))


def mixing_map(xs: InputTypes, y: TensorType, *mixed: int) -> AxisMap:
    """The map of an operator on `x` and weights whose output has the axes of `x`, some of them mixed."""
    return AxisMap((same_axes(y.rank), *reduced_axes(xs[1:])), frozenset(mixed))


def aligned_map(xs: InputTypes, y: TensorType, mixed: int) -> AxisMap:
    """The map of an operator whose inputs all have the axes of the output, one of them mixed."""
    return AxisMap(tuple(same_axes(y.rank) for _ in xs), frozenset({mixed % y.rank}))


def resampling_map(y: TensorType) -> AxisMap:
    """The map of an operator on `[B, C, *space]` that may compute a position from any others in space."""
    space = range(2, y.rank)
    return AxisMap(((0, 1, *[None] * len(space)),), frozenset(space))


def reshape_axes(before: Sequence[Dim], after: Sequence[Dim]) -> InputMap:
    """For each axis, its axis after a reshape: of the same size, with as many elements before it."""
    places = {(product(after[:axis]), size): axis for axis, size in enumerate(after)}
    return tuple(places.get((product(before[:axis]), size)) for axis, size in enumerate(before))
