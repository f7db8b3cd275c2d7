"""From steps to a program that runs on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

from netdsl.graph import Port
from netdsl.ops.contract.base import Op
from netruntime.native.builder import Builder
from netruntime.native.library import Library
from netruntime.native.lowering import LOWERINGS
from netruntime.native.lowering.registry import Border
from netruntime.native.run import NativeRun
from netruntime.native.steps import ArrayType, Step

LARGEST = 2**31 - 1
"""Of an integer among an operator's arguments: kernels multiply it by sizes, in 64 bits without a check."""


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


def compile_steps(
    steps: Sequence[Step],
    constant_steps: Mapping[int, Step],
    results: Sequence[Port],
    types: Mapping[Port, ArrayType],
    library: Library,
    threads: Callable[[], int],
    *,
    exact: bool = False,
) -> NativeRun:
    """The run of native steps that follow each other.

    Args:
        constant_steps: The steps that depend on weights alone, by node.
        results: The values that others read.
        types: The types of all values.
        threads: How many threads may be used.
        exact: Leave out kernels that round more than the operators on NumPy.
    """
    constants = steps[0].constants
    made = {(step.node, n) for step in steps for n in range(step.outputs)}
    read = dict.fromkeys(port for step in steps for port in step.inputs if port is not None)
    inputs = [port for port in read if port not in made and port not in constants]
    build = Builder(types, _borders(steps), inputs, results, constants, _same(steps, results), exact)
    for step in steps:
        build.node = step.node
        LOWERINGS[type(step.op)].lower(step, build)
    for port in results:
        build.deliver(port)
    table, arena = build.finish(library.kernels)
    return NativeRun(build, constant_steps, table, arena, library, threads)


def _borders(steps: Sequence[Step]) -> dict[Port, Border]:
    """For each image, the widest border that a step needs."""
    borders: dict[Port, Border] = {}
    for step in steps:
        for port, (above, beside) in LOWERINGS[type(step.op)].borders(step).items():
            high, wide = borders.get(port, (0, 0))
            borders[port] = max(high, above), max(wide, beside)
    return borders


def _same(steps: Sequence[Step], results: Sequence[Port]) -> dict[Port, Port]:
    """For values that a result is another name of, that result: they can be computed in its place."""
    same = {port: port for port in results}
    for step in reversed(steps):
        port = step.inputs[0] if step.inputs else None
        if LOWERINGS[type(step.op)].is_alias and port is not None and (step.node, 0) in same:
            same.setdefault(port, same[step.node, 0])
    return same
