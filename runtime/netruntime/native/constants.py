"""Values that depend on weights alone, such as weights with a norm folded in; computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.graph import Port
from netruntime.native.steps import ArrayType, Step

Array = Any
BYTES = 4
"""Of an element."""


def needed_for(ports: Sequence[Port], steps: Mapping[int, Step]) -> tuple[list[Step], list[Port]]:
    """The steps that compute these constants, in order, and the weights that they read."""
    waiting, nodes, weights = list(ports), set[int](), dict[Port, None]()
    while waiting:
        port = waiting.pop()
        if port[0] not in steps:
            weights[port] = None
        elif port[0] not in nodes:
            nodes.add(port[0])
            waiting += [read for read in steps[port[0]].inputs if read is not None]
    return [steps[node] for node in sorted(nodes)], sorted(weights)


def evaluate(
    steps: Sequence[Step], weights: Mapping[Port, Array], wanted: Sequence[tuple[Port, ...]]
) -> Iterator[list[Array]]:
    """For each group of wanted constants their arrays, by NumPy.

    A value is computed when it is first needed and kept until it was needed last, since all together would
    take as much memory as the weights.
    """
    order = _order(steps, wanted)
    last = {port: n for n, one in enumerate(order) for port in _reads(one)}
    values = dict(weights)
    for n, one in enumerate(order):
        if isinstance(one, Step):
            values |= {port: array for port, array in _outputs(one, values) if port in last}
        else:
            yield [values[port] for port in one]
        for port in _reads(one):
            if last[port] == n:
                values.pop(port, None)


def room_for(
    steps: Sequence[Step], wanted: Sequence[tuple[Port, ...]], types: Mapping[Port, ArrayType]
) -> int:
    """The most bytes that values of `evaluate` take at once, the weights aside."""
    order = _order(steps, wanted)
    last = {port: n for n, one in enumerate(order) for port in _reads(one)}
    live: dict[Port, int] = {}
    most = 0
    for n, one in enumerate(order):
        if isinstance(one, Step):
            ports = [(one.node, k) for k in range(one.outputs)]
            live |= {port: BYTES * types[port].size for port in ports}
        most = max(most, sum(live.values()))
        live = {port: size for port, size in live.items() if last.get(port, n) > n}
    return most


def _order(steps: Sequence[Step], wanted: Sequence[tuple[Port, ...]]) -> list[Step | tuple[Port, ...]]:
    """Each group after the steps that it needs and that no group before it needed."""
    by_node = {step.node: step for step in steps}
    order: list[Step | tuple[Port, ...]] = []
    done: set[int] = set()
    for group in wanted:
        needed, _ = needed_for(group, by_node)
        order += [step for step in needed if step.node not in done]
        done.update(step.node for step in needed)
        order.append(group)
    return order


def _reads(one: Step | tuple[Port, ...]) -> list[Port]:
    ports = one.inputs if isinstance(one, Step) else one
    return [port for port in ports if port is not None]


def _outputs(step: Step, values: Mapping[Port, Array]) -> Iterator[tuple[Port, Array]]:
    with np.errstate(all="ignore"):
        result = step.op.forward(np, *(None if port is None else values[port] for port in step.inputs))
    results = result if isinstance(result, tuple) else (result,)
    yield from (((step.node, n), array) for n, array in enumerate(results))
