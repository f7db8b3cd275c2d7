"""What runs, step by step: the operators that a step computes, its kernels, and where its result is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.source import Span
from netruntime.engine.steps import Plan, PlanStep
from netruntime.native.layouts import Image
from netruntime.native.memory import ARENA, CONSTANTS, OUTER, Ref
from netruntime.native.program import Chunks
from netruntime.native.run import NativeRun
from netruntime.profiling.parts import Part, part_of, size_of, sources_of


@immutable
class Place:
    """Where a value is.

    Args:
        memory: `arena`, `constants`, `input` or `result`; `array` for one of NumPy's own.
        offset: Bytes from the start of that memory; None where it has none.
    """

    memory: str
    offset: int | None
    bytes: int


@immutable
class ListedStep:
    """An operator, alone or with those that were fused with it.

    Args:
        run: The number of the native run that it belongs to; None on NumPy or CuPy.
        kernels: The native kernels in order, each with its number of tasks; empty where nothing is computed.
        layout: `array`, or `blocks` of 16 channels; `blocks+1` has a border of 1 around each.
    """

    label: str
    span: Span
    operators: tuple[str, ...]
    run: int | None
    kernels: tuple[tuple[str, int], ...]
    layout: str
    place: Place

    def as_dict(self) -> dict[str, Any]:
        """The step for programs."""
        return {
            "file": self.span.source.name,
            "line": self.span.line,
            "label": self.label,
            "operators": list(self.operators),
            "run": self.run,
            "kernels": [{"name": name, "tasks": tasks} for name, tasks in self.kernels],
            "layout": self.layout,
            **asdict(self.place),
        }


def listed(plan: Plan) -> list[ListedStep]:
    """The steps of a plan in the order in which they run."""
    sources = sources_of(plan)
    steps: list[ListedStep] = []
    runs = 0
    for step in plan.steps:
        if isinstance(step.run, NativeRun):
            steps += _of_run(plan, step.run, runs, sources)
            runs += 1
        else:
            steps.append(_of_step(plan, step, sources))
    return steps


def chunked(plan: Plan) -> Iterator[tuple[int, Chunks]]:
    """The native runs that go through their batch in chunks, by number."""
    runs = [step.run for step in plan.steps if isinstance(step.run, NativeRun)]
    for number, run in enumerate(runs):
        if run.chunks.count > 1:
            yield number, run.chunks


def _of_step(plan: Plan, step: PlanStep, sources: dict[int, list[int]]) -> ListedStep:
    part = part_of(plan, step.node, sources.get(step.node, ()), (), 0.0)
    size = sum(size_of(type_, plan.sizes) for type_ in plan.graph.node(step.node).types)
    return _step(part, None, (), "array", Place("array", None, size))


def _of_run(plan: Plan, run: NativeRun, number: int, sources: dict[int, list[int]]) -> Iterator[ListedStep]:
    kernels: dict[int, list[tuple[str, int]]] = {}
    for record in run.records:
        kernels.setdefault(record.node, []).append((record.kernel, record.tasks))
    nodes = sorted({port[0] for port in run.values if port[0] in sources} | kernels.keys())
    for node in nodes:
        port = (node, 0)
        if port in run.inputs or port in run.weights:
            continue
        part = part_of(plan, node, sources.get(node, ()), (), 0.0)
        layout, place = _place(plan, run, port)
        yield _step(part, number, tuple(kernels.get(node, ())), layout, place)


def _place(plan: Plan, run: NativeRun, port: Port) -> tuple[str, Place]:
    value = run.values.get(port)
    size = run.types[port].nbytes if port in run.types else size_of(plan.graph.type_of(port), plan.sizes)
    if value is None:
        return "array", Place("array", None, size)
    layout = _layout(value)
    at = value.at if isinstance(value, Image) else value
    return layout, _memory(run, at, 4 * value.size if isinstance(value, Image) else size)


def _layout(value: Ref | Image) -> str:
    if not isinstance(value, Image):
        return "array"
    above, beside = value.border
    border = f"{above}" if above == beside else f"{above}x{beside}"
    return f"blocks+{border}" if above or beside else "blocks"


def _memory(run: NativeRun, at: Ref, size: int) -> Place:
    slot = at.buffer.slot
    if slot == ARENA:
        return Place("arena", at.buffer.offset + at.offset, size)
    if slot == CONSTANTS:
        return Place("constants", at.buffer.offset + at.offset, size)
    return Place("input" if slot - OUTER < len(run.inputs) else "result", None, size)


def _step(
    part: Part, run: int | None, kernels: tuple[tuple[str, int], ...], layout: str, place: Place
) -> ListedStep:
    return ListedStep(part.label, part.span, part.operators, run, kernels, layout, place)
