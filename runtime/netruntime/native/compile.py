"""From steps to a program that runs on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netdsl.graph import Port
from netdsl.immutable import immutable
from netruntime.native.builder import Builder
from netruntime.native.chunks import CACHE, batch_of, rows_of_chunk, types_of_chunk
from netruntime.native.library import Library
from netruntime.native.lowering import LOWERINGS
from netruntime.native.lowering.registry import Border
from netruntime.native.program import MAX_SLOTS, Chunks
from netruntime.native.run import NativeRun
from netruntime.native.steps import ArrayType, Step


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

    def built(own: Sequence[Step], types: Mapping[Port, ArrayType]) -> Built:
        build = Builder(types, _borders(own), inputs, results, constants, _same(own, results), exact)
        return _built(own, build, library)

    complete = built(steps, types)
    chunk, chunks = _in_chunks(steps, complete, threads(), built) or (complete, Chunks())
    table, arena = chunk.table, chunk.arena
    return NativeRun(chunk.build, constant_steps, table, arena, library, threads, chunks=chunks, types=types)


@immutable
class Built:
    """Steps as records."""

    build: Builder
    table: Any
    arena: int


def _built(steps: Sequence[Step], build: Builder, library: Library) -> Built:
    for step in steps:
        build.node = step.node
        LOWERINGS[type(step.op)].lower(step, build)
    for port in build.results:
        build.deliver(port)
    return Built(build, *build.finish(library.kernels))


def _in_chunks(
    steps: Sequence[Step],
    complete: Built,
    threads: int,
    built: Callable[[Sequence[Step], Mapping[Port, ArrayType]], Built],
) -> tuple[Built, Chunks] | None:
    """The records of a chunk of the batch, where the batch leaves the cache and a chunk does not."""
    build = complete.build
    slots = 2 + len(build.inputs) + len(build.results)
    if complete.arena <= CACHE or build.large or build.small_bytes > CACHE or slots > MAX_SLOTS:
        return None
    batch = batch_of(steps) if build.status is None else None
    rows = None if batch is None else rows_of_chunk(batch, complete.arena // batch, threads)
    if batch is None or rows is None:
        return None
    types = types_of_chunk(steps, rows)
    chunk = built([replace(step, types=types) for step in steps], types)
    ports = (*chunk.build.inputs, *chunk.build.results)
    return chunk, Chunks(batch // rows, rows, [types[port].nbytes for port in ports])


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
