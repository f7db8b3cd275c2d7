"""Which operators have native kernels: for each class, what it accepts and how it becomes records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netdsl.graph import Port
from netdsl.ops.contract.base import Op
from netruntime.native.builder import Builder
from netruntime.native.steps import Step

Border = tuple[int, int]


@dataclass(frozen=True)
class Lowering:
    """How the steps of an operator become records.

    Args:
        lower: Adds the records of a step.
        accepts: Whether a step has a kernel; all its values are f32 already.
        borders: The zeros above and beside an image that a step reads, by value.
        is_alias: Whether the output is the first input in the same memory.
    """

    lower: Callable[[Step, Builder], None]
    accepts: Callable[[Step], bool]
    borders: Callable[[Step], dict[Port, Border]]
    is_alias: bool


LOWERINGS: dict[type[Op], Lowering] = {}


def lowers(
    *ops: type[Op],
    accepts: Callable[[Step], bool] = lambda step: True,
    borders: Callable[[Step], dict[Port, Border]] = lambda step: {},
    is_alias: bool = False,
) -> Callable[[Callable[[Step, Builder], None]], Callable[[Step, Builder], None]]:
    """Register a function as the lowering of these operators."""

    def register(lower: Callable[[Step, Builder], None]) -> Callable[[Step, Builder], None]:
        LOWERINGS.update(dict.fromkeys(ops, Lowering(lower, accepts, borders, is_alias)))
        return lower

    return register
