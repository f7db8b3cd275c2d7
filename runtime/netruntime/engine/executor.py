"""Running a plan: the values of each step, freed as soon as nobody needs them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from netdsl.diagnostics import Label
from netdsl.graph import Graph
from netdsl.model import Input
from netdsl.ops.contract.base import DataError, OpError
from netdsl.ops.numerics.checks import DeferredChecks
from netruntime.engine.backends import Device
from netruntime.engine.peak import WAYS_OUT
from netruntime.engine.reading import read
from netruntime.engine.steps import Plan, PlanStep, failed_step
from netruntime.errors import DataInputError
from netruntime.files.arrays import info_of
from netruntime.native.run import RefusedError

Watch = Callable[..., Any]
"""Runs a step in the place of its own function: `watch(plan, step, *arguments)` returns what that returns."""
WATCH: ContextVar[Watch | None] = ContextVar("WATCH", default=None)
"""What runs the steps of plans where a profile is taken."""


def execute(
    plan: Plan,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any],
    device: Device,
    *,
    seed: int = 0,
    check_finite: bool = False,
    checks: DeferredChecks | None = None,
) -> list[Any]:
    """The wanted values, as arrays on the device that share no memory with the inputs and the weights.

    Args:
        inputs: Arrays on the device by input name.
        weights: Arrays on the device by label path.
        seed: Seeds what is random in the model; equal seeds give equal results on one device.
        check_finite: Refuse the first step that makes NaN or infinity (E0821).
        checks: Collects what a GPU has to check; the caller reads it, with `reading.read`, before it uses
            the values. By default they are read here, which waits for the GPU.

    Raises:
        DataInputError: E0820 for values an operator cannot take, E0822 where memory runs out.
    """
    own = DeferredChecks(device.xp) if checks is None else checks
    values: list[Any] = [None] * plan.places
    for name, place in plan.inputs.items():
        values[place] = inputs[name]
    for path, place in plan.weights.items():
        values[place] = weights[path]
    graph = plan.graph
    watch = WATCH.get()
    with device.active(), np.errstate(all="ignore"), own.active():
        for step in _one_by_one(plan.steps) if check_finite else plan.steps:
            own.blame = partial(_blamed, step, graph)
            ready = step if watch is None else _watched(step, plan, watch)
            results = _run_or_instead(ready, values, graph, device, seed)
            if device.xp is not np:
                _know_constants(step, results, own)
            if check_finite:
                _check_finite(step, results, graph, device, own)
            for place in step.frees:
                values[place] = None
        wanted = _own([values[place] for place in plan.results], [*inputs.values(), *weights.values()])
    if checks is None:
        read(device, [own])
    return wanted


def _one_by_one(steps: Sequence[PlanStep]) -> Iterator[PlanStep]:
    """The steps, with the operators of native runs by themselves, so that each can be checked."""
    for step in steps:
        *first, last = step.instead or (step,)
        yield from first
        yield replace(last, frees=step.frees)


def _know_constants(step: PlanStep, results: tuple[Any, ...], checks: DeferredChecks) -> None:
    """Let checks know integers that depend on no input, such as positions, so that none waits for them."""
    if step.inputs or step.op.draws or any(a.dtype.kind not in "iu" or a.size > 2**16 for a in results):
        return
    for array, host in zip(results, _as_tuple(step.op.forward(np)), strict=True):
        checks.remember(array, host)


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _watched(step: PlanStep, plan: Plan, watch: Watch) -> PlanStep:
    """The step, and those that run in its place, run by `watch`."""
    instead = tuple(_watched(other, plan, watch) for other in step.instead)
    return replace(step, run=partial(watch, plan, step), instead=instead)


def _run_or_instead(
    step: PlanStep, values: list[Any], graph: Graph, device: Device, seed: int
) -> tuple[Any, ...]:
    """The results of a step, put among the values."""
    try:
        results = _run(step, values, graph, device, seed)
    except RefusedError:
        for other in step.instead:
            _run_or_instead(other, values, graph, device, seed)
        return tuple(values[place] for place in step.outputs)
    for place, result in zip(step.outputs, results, strict=True):
        values[place] = result
    return results


SIZES_HELP = "the sizes of the inputs, or an argument of the operator, do not fit each other"


def _own(results: list[Any], given: Sequence[Any]) -> list[Any]:
    """The results, copied where the memory belongs to an input or a weight: the caller may change them."""
    known = set(map(id, given))
    if all(getattr(array, "base", None) is None and id(array) not in known for array in results):
        return results  # each has memory of its own
    held = {id(_owner(array)) for array in given}
    return [array.copy() if id(_owner(array)) in held else array for array in results]


def _owner(array: Any) -> Any:
    """The object whose memory an array views."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def _run(step: PlanStep, values: list[Any], graph: Graph, device: Device, seed: int) -> tuple[Any, ...]:
    arguments = [None if place is None else values[place] for place in step.inputs]
    extra = {}
    if step.op.draws:
        node = graph.node(step.node)
        stream = node.stream or node.label
        extra["rng"] = device.generator(seed, zlib.crc32(stream.encode()))
    try:
        result = step.run(*arguments, **extra)
    except DataError as wrong:
        raise _blamed(step, graph, str(wrong)) from None
    except (MemoryError, RuntimeError) as wrong:
        if not device.is_full(wrong):
            raise
        problem = f"ran out of memory: {device.full_memory(wrong)}"
        raise failed_step("E0822", problem, graph.node(step.node), WAYS_OUT) from None
    except (OpError, ValueError, LookupError, ArithmeticError) as wrong:
        types = ", ".join(str(info_of(array)) for array in arguments if array is not None)
        problem = f"cannot run{f' on {types}' if types else ''}: {wrong}"
        raise failed_step("E0820", problem, graph.node(step.node), SIZES_HELP) from None
    return _as_tuple(result)


def _blamed(step: PlanStep, graph: Graph, problem: str) -> DataInputError:
    """E0820 for values that a step cannot take."""
    sources = dict.fromkeys(port[0] for port in graph.inputs_of(step.node) if port is not None)
    inputs = [node for node in map(graph.node, sources) if isinstance(node.op, Input)]
    also = [Label(node.span, f"the values of `{node.label}`") for node in inputs]
    return failed_step("E0820", problem, graph.node(step.node), step.op.data_help, also=also)


def _check_finite(
    step: PlanStep, results: tuple[Any, ...], graph: Graph, device: Device, checks: DeferredChecks
) -> None:
    for result in results:
        if result.dtype.kind != "f" and str(result.dtype) != "bfloat16":
            continue
        finite, has_nan = device.xp.isfinite(result), device.xp.isnan(result).any()
        describe = partial(_not_finite, result.shape, has_nan)
        if device.xp is not np:
            checks.blame = lambda problem: failed_step("E0821", problem, graph.node(step.node))
            checks.add(finite, describe, expected=result.size)
        elif not finite.all():
            raise failed_step("E0821", describe(int(finite.sum())), graph.node(step.node))


def _not_finite(shape: tuple[int, ...], has_nan: Any, finite: int) -> str:
    kind = "NaN" if bool(has_nan) else "infinite"
    size = prod(shape)
    return f"made {kind} values: {size - finite} of {size} in {list(shape)}"
