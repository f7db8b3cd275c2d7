"""From graph to plan: which steps run for the outputs asked for, in which order, and when values die."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from netdsl.dims import SizeOverflowError
from netdsl.graph import Graph, Node, Port
from netdsl.model import Input, Parameter
from netdsl.ops.contract.base import Op, OpError
from netdsl.ops.sequence.scan import Program, ProgramStep, Scan
from netdsl.types import DType, TensorType
from netruntime.engine.backends import Device
from netruntime.engine.native_runs import NativePlanner
from netruntime.engine.passes.optimise import PASSES, TRAINING_PASSES, Optimised, optimise
from netruntime.engine.peak import check_peak
from netruntime.engine.steps import Plan, PlanStep, failed_step
from netruntime.files.arrays import fits_memory, numpy_dtype

WIDEST = 8
"""Bytes per element of the widest value within an operator; CuPy does not check that its size fits."""


def make_plan(
    graph: Graph,
    wanted: Sequence[Port],
    sizes: Mapping[str, int],
    device: Device,
    *,
    fixed_weights: bool = True,
    varying: frozenset[str] = frozenset(),
) -> Plan:
    """The plan that computes the wanted ports for these sizes on this device.

    Kernels are resolved here, once; only what the wanted ports depend on is planned.

    Args:
        fixed_weights: Whether the weights rarely change, so that what depends on them alone is kept.
        varying: Sizes that change while the plan stays.

    Raises:
        DataInputError: E0820 where these sizes give a step a size that no array has, E0822 where its values
            do not fit in memory.
        MissingExtraError: bf16 arrays where no package provides them.
    """
    places: dict[Port, int] = {}
    inputs: dict[str, int] = {}
    weights: dict[str, int] = {}
    steps: list[PlanStep] = []
    for node in sorted(graph.needed_for(node for node, _ in wanted)):
        data = graph.node(node)
        outputs = tuple(places.setdefault((node, n), len(places)) for n in range(len(data.types)))
        op = data.op
        if isinstance(op, Input):
            inputs[op.slot] = outputs[0]
        elif isinstance(op, Parameter):
            weights[data.label] = outputs[0]
        else:
            steps.append(_step(graph, node, _bound(data, sizes), places, outputs, device))
    results = tuple(places[port] for port in wanted)
    check_peak(graph, _with_frees(steps, set(results), set(weights.values())), sizes, device)
    if device.library is not None:
        planner = NativePlanner(
            graph, sizes, places, wanted, device.library, device.threads, device.exact, fixed_weights, varying
        )
        steps = planner.grouped(steps)
    freeing = _with_frees(steps, set(results), set(weights.values()))
    return Plan(graph, sizes, tuple(places), inputs, weights, freeing, results)


MAX_PLANS = 64
"""Plans kept for one graph; the one that was not used for the longest time goes first."""


class PlanCache:
    """The plans that compute some values of a graph, each made once for its sizes. Threads may share it.

    Args:
        wanted: The values, as for `make_plan`.
        ignored: Sizes that do not distinguish plans: one plan serves all of their values.
        fixed_weights: As for `make_plan`.
        most: How many plans are kept.
    """

    def __init__(
        self,
        graph: Graph,
        wanted: Sequence[Port],
        device: Device,
        ignored: frozenset[str] = frozenset(),
        *,
        fixed_weights: bool = True,
        most: int = MAX_PLANS,
    ) -> None:
        self._most = most
        self._graph, self._wanted = graph, list(wanted)
        self._optimised: Optimised | None = None
        if device.library is not None and wanted:
            passes = PASSES if fixed_weights else TRAINING_PASSES
            self._optimised = optimise(graph, wanted, passes)
            self._graph, self._wanted = self._optimised.graph, list(self._optimised.wanted)
        self._device = device
        self._ignored = ignored
        self._fixed_weights = fixed_weights
        self._plans: dict[tuple[tuple[str, int], ...], Plan] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._plans)

    def plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these values of the free sizes. Raises what `make_plan` raises."""
        key = tuple(sorted((name, size) for name, size in sizes.items() if name not in self._ignored))
        with self._lock:
            if key not in self._plans:
                plan = make_plan(
                    self._graph,
                    self._wanted,
                    sizes,
                    self._device,
                    fixed_weights=self._fixed_weights,
                    varying=self._ignored,
                )
                plan = replace(plan, optimised=self._optimised)
                if len(self._plans) >= self._most:
                    self._plans.pop(next(iter(self._plans)))
            else:
                plan = self._plans.pop(key)
            self._plans[key] = plan
            return plan


def _bound(node: Node, sizes: Mapping[str, int]) -> Op:
    """The operator of a node with fixed sizes, after a look at the sizes of its outputs."""
    op = node.op
    try:
        bound = op.bind(sizes)
        shapes = [tuple(size.evaluate(sizes) for size in type_.shape) for type_ in node.types]
    except ZeroDivisionError:
        raise failed_step("E0820", "gets a size that divides by 0", node) from None
    except SizeOverflowError as wrong:
        raise failed_step("E0820", f"gets too large a size: {wrong}", node) from None
    except KeyError as unknown:
        raise failed_step("E0820", f"needs a value for the size {unknown}", node) from None
    except (OpError, ValueError, OverflowError) as wrong:
        raise failed_step("E0820", str(wrong), node) from None
    for type_, shape in zip(node.types, shapes, strict=True):
        if any(size < 0 for size in shape) or not fits_memory(shape, WIDEST):
            problem = f"cannot give {type_}: its shape would be {list(shape)}"
            raise failed_step("E0820", problem, node)
    if DType.BF16 in _dtypes(op, node.types):
        numpy_dtype("bf16")  # its import lets array modules know the name
    return bound


def _dtypes(op: Op, types: Iterable[TensorType]) -> set[DType]:
    """The element types that a step makes, those inside a scan's cell included."""
    found = {type_.dtype for type_ in types}
    if isinstance(op, Scan):
        found.update(*(_dtypes(step.op, step.types) for step in op.program.steps))
    return found


def _step(
    graph: Graph,
    node: int,
    op: Op,
    places: Mapping[Port, int],
    outputs: tuple[int, ...],
    device: Device,
) -> PlanStep:
    ports = graph.inputs_of(node)
    types = [graph.type_of(port) for port in ports if port is not None]
    arguments = tuple(None if port is None else places[port] for port in ports)
    return PlanStep(node, op, runner(op, types, device), arguments, outputs, ())


def runner(op: Op, types: Iterable[TensorType], device: Device) -> Callable[..., Any]:
    """A function of the arrays alone, its kernel chosen for the input types."""
    kernel = device.backend.resolve(type(op), [t.dtype for t in types])
    if isinstance(op, Scan):
        return partial(kernel, device.xp, op, run_program=ProgramRunner(device))
    return partial(kernel, device.xp, op)


class ProgramRunner:
    """Runs a cell's program through a device's kernels, which are looked up once for each program."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._ready: tuple[Program, list[_Call]] | None = None

    def __call__(self, program: Program, xp: Any, inputs: Sequence[Any], rng: Any) -> list[Any]:
        ready = self._ready
        if ready is None or ready[0] is not program:
            ready = self._ready = (program, [self._call(program, step) for step in program.steps])
        values = list(inputs)
        for run, places, draws in ready[1]:
            arguments = [None if i is None else values[i] for i in places]
            result = run(*arguments, rng=rng) if draws else run(*arguments)
            if isinstance(result, tuple):
                values += result
            else:
                values.append(result)
        return [values[i] for i in program.outputs]

    def _call(self, program: Program, step: ProgramStep) -> _Call:
        types = [program.type_of(i) for i in step.inputs if i is not None]
        return runner(step.op, types, self.device), step.inputs, step.op.draws


_Call = tuple[Callable[..., Any], tuple[int | None, ...], bool]
"""A step of a program: its kernel, the numbers of its inputs, and whether it draws random numbers."""


def _with_frees(steps: Sequence[PlanStep], results: set[int], weights: set[int]) -> tuple[PlanStep, ...]:
    """Say after which step each value dies; results and weights do not."""
    seen = results | weights
    done: list[PlanStep] = []
    for step in reversed(steps):
        touched = {place for place in (*step.inputs, *step.outputs) if place is not None}
        done.append(replace(step, frees=tuple(sorted(touched - seen))))
        seen |= touched
    return tuple(reversed(done))
