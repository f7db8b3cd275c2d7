"""Values that depend on weights alone, such as weights with a norm folded in; computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.graph import Port
from netruntime.native.steps import Step

Array = Any


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


def evaluate(steps: Sequence[Step], weights: Mapping[Port, Array]) -> dict[Port, Array]:
    """The values of constants, by NumPy, for these weights."""
    values = dict(weights)
    with np.errstate(all="ignore"):
        for step in steps:
            result = step.op.forward(np, *(None if port is None else values[port] for port in step.inputs))
            results = result if isinstance(result, tuple) else (result,)
            values |= {(step.node, n): array for n, array in enumerate(results)}
    return values
