"""The memory that a plan needs at its fullest, compared with what there is before it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from netdsl.graph import Graph
from netruntime.engine.backends import Device
from netruntime.engine.steps import PlanStep, failed_at
from netruntime.errors import DataInputError
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text

SHOWN = 3
"""How many of the largest values a message names."""

WAYS_OUT = "use smaller batches or sizes, `recompute` in training, or f16 or bf16 values"


def check_peak(graph: Graph, steps: Sequence[PlanStep], sizes: Mapping[str, int], device: Device) -> None:
    """Raise `DataInputError` E0822 if the values of the steps do not fit in the device's memory at once.

    Views count nothing, and neither do inputs, weights and what an operator takes for itself: what is
    refused certainly does not fit.
    """
    needed: dict[int, int] = {}
    live = peak = 0
    largest: list[tuple[int, PlanStep]] = []
    for step in steps:
        for place, type_ in zip(step.outputs, graph.node(step.node).types, strict=True):
            shape = [size.evaluate(sizes) for size in type_.shape]
            needed[place] = 0 if step.op.is_view else math.prod(shape) * type_.dtype.itemsize
        own = sum(needed[place] for place in step.outputs)
        live += own
        if len(largest) < SHOWN or own > largest[-1][0]:
            largest = sorted([*largest, (own, step)], key=lambda pair: -pair[0])[:SHOWN]
        peak = max(peak, live)
        live -= sum(needed.get(place, 0) for place in step.frees)
    free = shortage(peak, device.xp)
    if free is not None:
        raise _too_large(graph, sizes, peak, free, largest)


def _too_large(
    graph: Graph, sizes: Mapping[str, int], peak: int, free: int, largest: Sequence[tuple[int, PlanStep]]
) -> DataInputError:
    named = [(_named(graph, sizes, step), size) for size, step in largest]
    message = f"the values of this run need {bytes_text(peak)} of memory, but {lack_text(free, named)}"
    node = graph.node(largest[0][1].node)
    return failed_at("E0822", message, node, WAYS_OUT)


def _named(graph: Graph, sizes: Mapping[str, int], step: PlanStep) -> str:
    node = graph.node(step.node)
    type_ = node.types[0]
    shape = [size.evaluate(sizes) for size in type_.shape]
    return f"`{node.label}` {type_.dtype}{shape}"
