"""The memory that a run takes at its fullest, before it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netdsl.immutable import immutable
from netruntime.engine.backends import Device
from netruntime.engine.steps import Plan
from netruntime.files.mapped import mapping_of
from netruntime.native.run import NativeRun
from netruntime.profiling.parts import size_of


@immutable
class MemoryNeed:
    """Bytes of a run of `netrun run`, by what they are for.

    Args:
        process: Python, NumPy and the network without its weights, as they are in this process now.
        weights: The weights and buffers.
        constants: What the native engine makes of the weights once.
        packing: What is needed in between, before the first run.
        arena: The values inside native runs, and the scratch memory of their threads.
        inputs, outputs: The arrays of the caller.
        values: The values between steps at their fullest.
    """

    process: int
    weights: int
    constants: int
    packing: int
    arena: int
    inputs: int
    outputs: int
    values: int

    @property
    def peak(self) -> int:
        """The most at once; the arena is taken when all constants are made."""
        kept = self.process + self.weights + self.constants + self.inputs
        return kept + max(self.packing, self.arena + self.outputs + self.values)


def memory_need(plan: Plan, device: Device, weights: Mapping[str, Any] | None = None) -> MemoryNeed:
    """What a run of this plan takes.

    What NumPy takes within an operator, such as the windows of a convolution, counts nothing.

    Args:
        weights: The weights by label path, if they are there: those of a mapped file are in memory until they
            are packed.
    """
    graph = plan.graph
    sizes = [size_of(graph.type_of(port), plan.sizes) for port in plan.ports]
    runs = [step.run for step in plan.steps if isinstance(step.run, NativeRun)]
    threads = device.threads()
    mapped = {path for path, array in (weights or {}).items() if mapping_of(array) is not None}
    released = {port for run in runs for port in run.released}
    gone = {place for path, place in plan.weights.items() if path in mapped and plan.ports[place] in released}
    packing = [run.mapped_peak - run.constant_bytes if gone else run.packing_bytes for run in runs]
    return MemoryNeed(
        process=resident_bytes(),
        weights=sum(sizes[place] for place in plan.weights.values() if place not in gone),
        constants=sum(run.constant_bytes for run in runs),
        packing=max(packing, default=0),
        arena=sum(run.memory(threads) for run in runs),
        inputs=sum(sizes[place] for place in plan.inputs.values()),
        outputs=sum(sizes[place] for place in set(plan.results) - set(plan.inputs.values())),
        values=_between(plan, sizes),
    )


def _between(plan: Plan, sizes: Sequence[int]) -> int:
    """The most bytes of values between steps that are alive at once, without inputs, weights and results."""
    outer = {*plan.inputs.values(), *plan.weights.values(), *plan.results}
    peak = 0
    alive: dict[int, int] = {}
    for step in plan.steps:
        for place in step.outputs:
            if place not in outer and not step.op.is_view:
                alive[place] = sizes[place]
        peak = max(peak, sum(alive.values()))
        for place in step.frees:
            alive.pop(place, None)
    return peak


def resident_bytes() -> int:
    """The bytes of this process that are resident now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
