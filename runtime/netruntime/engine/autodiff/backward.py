"""Reverse accumulation over a graph (Linnainmaa 1976; Griewank and Walther 2008, chapter 3).

One differentiator serves whole graphs and the cells of scans, which are graphs as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netdsl.diagnostics import error
from netdsl.graph import Graph, GraphTape, Port
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netruntime.engine.autodiff.forward import ForwardValues, under

PREFIX = "grad"
"""Label paths of the backward pass begin with this."""

Gradients = Sequence[Value | None]


@immutable
class Visit:
    """An operator that the backward pass has come to.

    Args:
        number: Its node.
        grads: What flows into each of its outputs.
        inputs: The values it reads.
        wanted: For each input, whether its gradient is wanted.
    """

    number: int
    grads: Gradients
    inputs: Sequence[Port | None]
    wanted: Sequence[bool]


OpGradient = Callable[[GraphTape, Visit, ForwardValues], Gradients]
"""The gradients of an operator's inputs where they are more than the formula `Op.gradient`."""


def carrying(graph: Graph, targets: Iterable[Port], nodes: Iterable[int]) -> set[Port]:
    """The targets, and the values among the nodes that carry a float from one of them."""
    carried = set(targets)
    for number in sorted(nodes):
        if any(port in carried for port in graph.inputs_of(number)):
            types = graph.node(number).types
            carried |= {(number, n) for n, type_ in enumerate(types) if type_.dtype.is_float}
    return carried


@dataclass
class Backward:
    """The gradients known so far, by port; nodes are visited from the last to the first.

    Args:
        tape: The graph, which gets the operators of the backward pass.
        carrying: The values whose gradients are followed.
        forward: Where values of the forward pass are read.
        special: Gradients of operators, by their type, that are more than a formula.
    """

    tape: GraphTape
    carrying: set[Port]
    forward: ForwardValues
    special: Mapping[type[Op], OpGradient]
    known: dict[Port, list[Value]] = field(default_factory=dict)

    def seed(self, port: Port, gradient: Value) -> None:
        """Let a gradient flow into a value, if it is followed at all."""
        if port in self.carrying:
            wanted = self.tape.graph.type_of(port)
            assert gradient.type == wanted, f"a gradient is {gradient.type}, and its value {wanted}"
            self.known.setdefault(port, []).append(gradient)

    def run(self) -> None:
        """Hand all gradients on, from each operator's outputs to its inputs."""
        for number in sorted({port[0] for port in self.carrying}, reverse=True):
            self._visit(number)

    def gradient(self, port: Port) -> Value | None:
        """The sum of what flows into a value; None where nothing does."""
        values = self.known.get(port)
        if not values:
            return None
        total = values[0]
        for value in values[1:]:
            total = total + value
        self.known[port] = [total]
        return total

    def at(self, number: int) -> None:
        """Nodes made from here on come from this one."""
        self.tape.origin = replace(under(self.tape.graph.node(number), PREFIX), stream="")

    def gradients_of(self, visit: Visit) -> Gradients:
        """The gradients of an operator's inputs."""
        op = self.tape.graph.node(visit.number).op
        special = self.special.get(type(op))
        return special(self.tape, visit, self.forward) if special else self._formula(op, visit)

    def _visit(self, number: int) -> None:
        node = self.tape.graph.node(number)
        grads = [self.gradient((number, n)) for n in range(len(node.types))]
        inputs = self.tape.graph.inputs_of(number)
        wanted = [port in self.carrying for port in inputs]
        if all(grad is None for grad in grads) or not any(wanted):
            return
        if node.op.no_gradient:
            help = "leave its gradient out with `stop_gradient(..)`, or use a smooth function"
            message = f"`{node.user_name}` has no gradient: it {node.op.no_gradient}"
            raise error("E1132", message, node.user_span, path=node.label, help=help)
        self.at(number)
        results = self.gradients_of(Visit(number, grads, inputs, wanted))
        for port, result in zip(inputs, results, strict=False):
            if port is not None and result is not None:
                self.seed(port, result)

    def _formula(self, op: Op, visit: Visit) -> Gradients:
        dy = tuple(visit.grads)
        y = tuple(self.forward.value((visit.number, n)) for n in range(len(dy)))
        xs = [None if port is None else self.forward.value(port) for port in visit.inputs]
        slots = 0 if any(name.startswith("*") for name in op.inputs) else len(op.inputs)
        xs += [None] * (slots - len(xs))
        results = op.gradient(dy[0], y[0], *xs) if len(dy) == 1 else op.gradient(dy, y, *xs)
        return results if isinstance(results, tuple) else (results,)
