"""Which operators have native kernels: for each class, what it accepts and how it becomes records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netruntime.native.builder import Builder
from netruntime.native.steps import Step

Border = tuple[int, int]


@immutable
class Lowering:
    """How the steps of an operator become records.

    Args:
        lower: Adds the records of a step.
        accepts: Whether a step has a kernel; its values have element types of `dtypes` already.
        borders: The zeros above and beside an image that a step reads, by value.
        is_alias: Whether the output is the first input in the same memory.
        dtypes: The element types that it takes.
    """

    lower: Callable[[Step, Builder], None]
    accepts: Callable[[Step], bool]
    borders: Callable[[Step], dict[Port, Border]]
    is_alias: bool
    dtypes: frozenset[str]


ANY = ("bool", "u8", "i8", "f16", "i32", "f32", "i64", "f64")
"""The element types that can be copied."""
LOWERINGS: dict[type[Op], Lowering] = {}
LARGEST = 2**31 - 1
"""Of an integer among an operator's arguments: kernels multiply it by sizes, in 64 bits without a check."""


def lowers(
    *ops: type[Op],
    accepts: Callable[[Step], bool] = lambda step: True,
    borders: Callable[[Step], dict[Port, Border]] = lambda step: {},
    is_alias: bool = False,
    dtypes: tuple[str, ...] = ("f32",),
) -> Callable[[Callable[[Step, Builder], None]], Callable[[Step, Builder], None]]:
    """Register a function as the lowering of these operators."""

    def register(lower: Callable[[Step, Builder], None]) -> Callable[[Step, Builder], None]:
        lowering = Lowering(lower, accepts, borders, is_alias, frozenset(dtypes))
        LOWERINGS.update(dict.fromkeys(ops, lowering))
        return lower

    return register


def accepts(step: Step) -> bool:
    """Whether a step has a native kernel for its types and attributes."""
    lowering = LOWERINGS.get(type(step.op))
    if lowering is None or not step.dtypes <= lowering.dtypes or not _is_in_range(step.op):
        return False
    return lowering.accepts(step)


def _is_in_range(op: Op) -> bool:
    """Whether all integers among an operator's arguments are small enough for kernels."""
    return all(_fits(getattr(op, field.name)) for field in fields(op))


def _fits(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= LARGEST
    if isinstance(value, Op):
        return _is_in_range(value)
    return not isinstance(value, (tuple, list)) or all(map(_fits, value))
