"""Running a plan: the values of each step, freed as soon as nobody needs them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np

from netdsl.diagnostics import error
from netdsl.ops.base import DataError
from netruntime.backends import Device
from netruntime.errors import DataInputError
from netruntime.plan import Plan, Step


def execute(
    plan: Plan,
    graph: nx.MultiDiGraph,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any],
    device: Device,
    *,
    seed: int = 0,
    check_finite: bool = False,
) -> list[Any]:
    """The wanted values, as arrays on the device.

    Args:
        inputs: Arrays on the device by input name.
        weights: Arrays on the device by label path.
        seed: Seeds what is random in the model; equal seeds give equal results on one device.
        check_finite: Stop at the first step that makes NaN or infinity (E0821).

    Raises:
        DataInputError: E0820 for values an operator cannot take, E0822 where memory runs out.
    """
    values: list[Any] = [None] * plan.places
    for name, place in plan.inputs.items():
        values[place] = inputs[name]
    for path, place in plan.weights.items():
        values[place] = weights[path]
    with device.active(), np.errstate(all="ignore"):
        for step in plan.steps:
            results = _run(step, values, graph, device, seed)
            for place, result in zip(step.outputs, results, strict=True):
                values[place] = result
            if check_finite:
                _check_finite(step, results, graph, device)
            for place in step.frees:
                values[place] = None
    return [values[place] for place in plan.results]


def _run(step: Step, values: list[Any], graph: nx.MultiDiGraph, device: Device, seed: int) -> tuple[Any, ...]:
    arguments = [None if place is None else values[place] for place in step.inputs]
    extra = {}
    if step.op.is_random:
        label = graph.nodes[step.node]["label"]
        extra["rng"] = device.generator(seed, zlib.crc32(label.encode()))
    try:
        result = step.run(*arguments, **extra)
    except DataError as wrong:
        raise _failed("E0820", f"`{step.op.name}` {wrong}", step, graph) from None
    except MemoryError as wrong:
        raise _failed("E0822", f"`{step.op.name}` ran out of memory: {wrong}", step, graph) from None
    return result if isinstance(result, tuple) else (result,)


def _check_finite(step: Step, results: tuple[Any, ...], graph: nx.MultiDiGraph, device: Device) -> None:
    for result in results:
        if result.dtype.kind != "f" or bool(device.xp.isfinite(result).all()):
            continue
        bad = int(result.size - int(device.xp.isfinite(result).sum()))
        kind = "NaN" if bool(device.xp.isnan(result).any()) else "infinite"
        shape = list(result.shape)
        message = f"`{step.op.name}` made {kind} values: {bad} of {result.size} in {shape}"
        raise _failed("E0821", message, step, graph)


def _failed(code: str, message: str, step: Step, graph: nx.MultiDiGraph) -> DataInputError:
    """An error that shows the `.net` line of a step: the user's own line, not one of a standard block."""
    data = graph.nodes[step.node]
    spans = [data["span"], *(frame.span for frame in reversed(data["chain"]))]
    span = next((s for s in spans if not s.source.name.startswith("std/")), spans[0])
    return DataInputError(error(code, message, span, path=data["label"]).diagnostics)
