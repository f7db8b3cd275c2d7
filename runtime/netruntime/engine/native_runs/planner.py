"""Native runs in a plan: steps that have native kernels become one step, as many as their inputs allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

from netdsl.graph import Graph, Port
from netdsl.immutable import immutable
from netdsl.model import Parameter
from netdsl.ops.contract.base import Category, Op
from netruntime.engine.backends.registry import reference
from netruntime.engine.steps import PlanStep
from netruntime.native import Step, accepts, compile_steps
from netruntime.native.library import Library
from netruntime.native.steps import ArrayType


@immutable
class NativeSteps(Op):
    """The operator of a step that is a native run."""

    name = "native"
    inputs = ()
    category: ClassVar[Category] = "plain"


@immutable
class NativePlanner:
    """Puts native runs into the steps of a plan.

    Args:
        places: The places of all values.
        results: The values that the plan is for.
        varying: Sizes that change while the plan stays; no native step may depend on them.
        fixed_weights: Whether what depends on weights alone is kept from one run to the next.
    """

    graph: Graph
    sizes: Mapping[str, int]
    places: Mapping[Port, int]
    results: Sequence[Port]
    library: Library
    threads: Callable[[], int]
    exact: bool
    fixed_weights: bool
    varying: frozenset[str]

    def grouped(self, steps: Sequence[PlanStep]) -> list[PlanStep]:
        """The steps, with native runs in the place of those that they do."""
        types = {port: self._type(port) for port in self.places}
        constants = self._constants(steps)
        described = {step.node: self._step(step, types, constants) for step in steps}
        constant_steps = {n: step for n, step in described.items() if (n, 0) in constants}
        planned: list[PlanStep] = []
        first = tuple(step for step in steps if (step.node, 0) in constants)
        for native, group in self._groups(steps, described, constants):
            if not native:
                planned += group
                continue
            own = [described[step.node] for step in group]
            results = self._read_outside(group, steps)
            run = compile_steps(
                own, constant_steps, results, types, self.library, self.threads, exact=self.exact
            )
            inputs = tuple(self.places[port] for port in (*run.inputs, *run.weights))
            outputs = tuple(self.places[port] for port in run.results)
            planned.append(
                PlanStep(group[-1].node, NativeSteps(), run, inputs, outputs, (), (*first, *group))
            )
        return self._without_dead(planned)

    def _type(self, port: Port) -> ArrayType:
        type_ = self.graph.type_of(port)
        return ArrayType(type_.dtype.value, tuple(size.evaluate(self.sizes) for size in type_.shape))

    def _step(self, step: PlanStep, types: Mapping[Port, ArrayType], constants: frozenset[Port]) -> Step:
        inputs = tuple(self.graph.inputs_of(step.node))
        return Step(step.node, step.op, inputs, len(step.outputs), types, constants)

    def _constants(self, steps: Sequence[PlanStep]) -> frozenset[Port]:
        """The values that depend on weights alone, weights included; or on nothing, if they change."""
        made = {step.node for step in steps}
        given = [port for port in self.places if port[0] not in made]
        known = {port for port in given if isinstance(self.graph.node(port[0]).op, Parameter)}
        known = known if self.fixed_weights else set()
        for step in steps:
            ports = [port for port in self.graph.inputs_of(step.node) if port is not None]
            if known.issuperset(ports) and not step.op.draws and not self._varies(step):
                known |= {(step.node, n) for n in range(len(step.outputs))}
        return frozenset(known)

    def _groups(
        self, steps: Sequence[PlanStep], described: Mapping[int, Step], constants: frozenset[Port]
    ) -> Iterator[tuple[bool, list[PlanStep]]]:
        """Native steps in groups as large as their inputs allow, and the others, which come first.

        So a native run waits for nothing that could have run before it. Constants come before all.
        """
        yield False, [step for step in steps if (step.node, 0) in constants]
        left = [step for step in steps if (step.node, 0) not in constants]
        native = {
            step.node
            for step in left
            if _has_no_kernel(step) and not self._varies(step) and accepts(described[step.node])
        }
        waiting = {step.node for step in left}
        kind = False
        while left:
            group = []
            for step in left:
                sources = {port[0] for port in self.graph.inputs_of(step.node) if port is not None}
                if (step.node in native) is kind and waiting.isdisjoint(sources):
                    group.append(step)
                    waiting.remove(step.node)
            if group:
                yield kind, group
            left = [step for step in left if step.node in waiting]
            kind = not kind

    def _varies(self, step: PlanStep) -> bool:
        """Whether the step depends on a size that changes while the plan stays."""
        if not self.varying:
            return False
        node = self.graph.node(step.node)
        types = [*node.types, *(type_ for type_ in self.graph.input_types(step.node) if type_ is not None)]
        symbols = {symbol for type_ in types for size in type_.shape for symbol in size.symbols}
        return bool(symbols & self.varying) or any(node.op.depends_on(name) for name in self.varying)

    def _read_outside(self, group: Sequence[PlanStep], steps: Sequence[PlanStep]) -> list[Port]:
        """The values of a group that other steps or the caller read."""
        inside = {step.node for step in group}
        read = {port for step in steps if step.node not in inside for port in self.graph.inputs_of(step.node)}
        read.update(self.results)
        made = [(step.node, n) for step in group for n in range(len(step.outputs))]
        return [port for port in made if port in read]

    def _without_dead(self, steps: Sequence[PlanStep]) -> list[PlanStep]:
        """The steps without those that only native runs needed, which compute constants by themselves."""
        read = {self.places[port] for port in self.results}
        kept: list[PlanStep] = []
        for step in reversed(steps):
            if read.intersection(step.outputs):
                kept.append(step)
                read.update(place for place in step.inputs if place is not None)
        return kept[::-1]


def _has_no_kernel(step: PlanStep) -> bool:
    """Whether nobody registered a kernel for the operator, which would go before the native one."""
    return isinstance(step.run, partial) and step.run.func is reference
