"""Running a plan: the values of each step, freed as soon as nobody needs them."""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from netdsl.graph import Graph
from netdsl.ops.contract.base import DataError
from netruntime.engine.backends import Device
from netruntime.engine.plan import Plan, PlanStep, failed_step


def execute(
    plan: Plan,
    graph: Graph,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any],
    device: Device,
    *,
    seed: int = 0,
    check_finite: bool = False,
) -> list[Any]:
    """The wanted values, as arrays on the device that share no memory with the inputs and the weights.

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
        held = {id(_owner(array)) for array in (*inputs.values(), *weights.values())}
        return [_own(values[place], held) for place in plan.results]


def _own(result: Any, held: Container[int]) -> Any:
    """A copy where the memory belongs to an input or a weight, which the caller must not change."""
    return result.copy() if id(_owner(result)) in held else result


def _owner(array: Any) -> Any:
    """The object whose memory an array views."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def _run(step: PlanStep, values: list[Any], graph: Graph, device: Device, seed: int) -> tuple[Any, ...]:
    arguments = [None if place is None else values[place] for place in step.inputs]
    extra = {}
    if step.op.is_random:
        node = graph.node(step.node)
        stream = node.stream or node.label
        extra["rng"] = device.generator(seed, zlib.crc32(stream.encode()))
    try:
        result = step.run(*arguments, **extra)
    except DataError as wrong:
        raise failed_step("E0820", f"`{step.op.name}` {wrong}", graph.node(step.node)) from None
    except MemoryError as wrong:
        message = f"`{step.op.name}` ran out of memory: {wrong}"
        raise failed_step("E0822", message, graph.node(step.node)) from None
    return result if isinstance(result, tuple) else (result,)


def _check_finite(step: PlanStep, results: tuple[Any, ...], graph: Graph, device: Device) -> None:
    for result in results:
        is_float = result.dtype.kind == "f" or str(result.dtype) == "bfloat16"
        if not is_float or bool(device.xp.isfinite(result).all()):
            continue
        bad = int(result.size - int(device.xp.isfinite(result).sum()))
        kind = "NaN" if bool(device.xp.isnan(result).any()) else "infinite"
        shape = list(result.shape)
        message = f"`{step.op.name}` made {kind} values: {bad} of {result.size} in {shape}"
        raise failed_step("E0821", message, graph.node(step.node))
