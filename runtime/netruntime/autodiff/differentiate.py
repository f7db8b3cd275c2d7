"""Reverse accumulation over a graph (Linnainmaa 1976; Griewank and Walther 2008, chapter 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx

from netdsl.diagnostics import NetError, error
from netdsl.graph import Graph, Port
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netdsl.ops.sequence.scan import Scan
from netruntime.autodiff.lower import lower
from netruntime.autodiff.recompute import Recomputed
from netruntime.autodiff.scans import scan_gradient
from netruntime.autodiff.tape import GraphTape, under

PREFIX = "grad"
"""Label paths of the backward pass begin with this."""


@dataclass(frozen=True)
class Differentiated:
    """A graph with its backward pass.

    `gradients` has a port for each value asked for, None where the loss does not depend on it; `moved`
    says where the ports of the given graph are in this one.
    """

    graph: Graph
    targets: tuple[Port, ...]
    gradients: tuple[Port | None, ...]
    moved: Mapping[Port, Port]

    def required(self, graph: Graph, loss: Port, target: Port) -> Port:
        """The gradient with respect to one target of the given graph.

        Raises `NetError` E1134 where the loss does not depend on it, or only through operators whose
        result has no slope.
        """
        found = self.gradients[self.targets.index(target)]
        if found is None:
            raise _unreached(graph, loss, target)
        return found


def differentiate(
    graph: Graph, loss: Port, wrt: Sequence[Port], *, recompute: Sequence[str] = ()
) -> Differentiated:
    """Add the backward pass of a scalar: its gradients with respect to the values `wrt`.

    Only what lies between them and the loss is differentiated, so what is frozen costs nothing. Values
    used several times accumulate. The result is a graph like any other and can be differentiated again.

    Args:
        graph: As `netdsl.graph.build` makes it; it is left as it is.
        loss: A scalar of a float type.
        wrt: Values of float types.
        recompute: Patterns of block labels (`encoder.*`); what is inside such a block is computed again
            for the backward pass instead of kept.

    Raises:
        NetError: E1130 for a loss that is no scalar float, E1131 for a value of integers or truth values,
            E1132 where an operator between them cannot be differentiated.
    """
    _check(graph, loss, wrt)
    lowered = lower(graph)
    tape = lowered.tape
    start = lowered.moved[loss]
    targets = [lowered.moved[port] for port in wrt]
    carrying = _between(tape.graph, targets, start)
    backward = _Backward(tape, carrying, Recomputed(tape, recompute))
    backward.seed(start)
    for node in sorted({port[0] for port in carrying}, reverse=True):
        backward.visit(node)
    gradients = tuple(backward.gradient(port) for port in targets)
    return Differentiated(tape.graph, tuple(wrt), gradients, lowered.moved)


def _check(graph: Graph, loss: Port, wrt: Sequence[Port]) -> None:
    type_ = graph.type_of(loss)
    if type_.rank or not type_.dtype.is_float:
        help = "give a scalar: `mean(..)` or `sum(..)` of it"
        raise _failed(
            graph, loss[0], "E1130", f"a gradient is taken of one number, and this is {type_}", help
        )
    for node, output in wrt:
        type_ = graph.type_of((node, output))
        if not type_.dtype.is_float:
            message = f"there is no gradient with respect to `{graph.node(node).label}`, which is {type_}"
            raise _failed(graph, node, "E1131", message, "ask for one of a float type")


def _failed(graph: Graph, node: int, code: str, message: str, help: str | None) -> NetError:
    data = graph.node(node)
    return error(code, message, data.user_span, path=data.label, help=help)


def _unreached(graph: Graph, loss: Port, target: Port) -> NetError:
    """Why no gradient arrives: no path at all, or one through an operator that ends it."""
    label, name = graph.node(target[0]).label, graph.node(loss[0]).label
    path = nx.descendants(graph, target[0]) & (nx.ancestors(graph, loss[0]) | {loss[0]})
    for node in sorted(path):
        op = graph.node(node).op
        if op.no_gradient:
            message = f"`{name}` depends on `{label}` only through `{op.name}`, which {op.no_gradient}"
            return _failed(graph, node, "E1134", message, "use a smooth function in its place")
    help = "ask for a value that the loss is computed from"
    return _failed(graph, target[0], "E1134", f"`{name}` does not depend on `{label}`", help)


def _between(graph: Graph, targets: Sequence[Port], loss: Port) -> set[Port]:
    """The values that carry a float from one of the targets towards the loss."""
    needed = {loss[0]} | nx.ancestors(graph, loss[0])
    carrying = set(targets)
    for node in sorted(needed):
        if any(port in carrying for port in graph.inputs_of(node)):
            types = graph.node(node).types
            carrying |= {(node, n) for n, type_ in enumerate(types) if type_.dtype.is_float}
    return carrying


class _Backward:
    """The gradients found so far, by port; the nodes are visited from the loss to the targets."""

    def __init__(self, tape: GraphTape, carrying: set[Port], forward: Recomputed) -> None:
        self.tape = tape
        self.carrying = carrying
        self.forward = forward
        self.found: dict[Port, list[Value]] = {}

    def seed(self, loss: Port) -> None:
        self._at(loss[0])
        one = self.tape.value(loss)
        self.found[loss] = [one.constant(1.0)]

    def gradient(self, port: Port) -> Port | None:
        value = self._total(port)
        return None if value is None else value.ref

    def visit(self, node: int) -> None:
        """Hand what flows into a node's outputs on to its inputs."""
        data = self.tape.graph.node(node)
        grads = [self._total((node, n)) for n in range(len(data.types))]
        inputs = self.tape.graph.inputs_of(node)
        wanted = [port in self.carrying for port in inputs]
        if all(grad is None for grad in grads) or not any(wanted):
            return
        op = data.op
        if op.no_gradient:
            help = "leave its gradient out with `stop_gradient(..)`, or use a smooth function"
            raise _failed(
                self.tape.graph, node, "E1132", f"`{op.name}` has no gradient: it {op.no_gradient}", help
            )
        self._at(node)
        results: Sequence[Value | None]
        if isinstance(op, Scan):
            results = scan_gradient(self.tape, node, grads, inputs, wanted, self.forward)
        else:
            results = self._formula(op, node, grads, inputs)
        for port, result in zip(inputs, results, strict=False):
            if port in self.carrying and result is not None:
                self._give(port, result, op)

    def _formula(
        self, op: Op, node: int, grads: Sequence[Value | None], inputs: Sequence[Port | None]
    ) -> Sequence[Value | None]:
        y = [self.forward.value((node, n)) for n in range(len(grads))]
        xs = [None if port is None else self.forward.value(port) for port in inputs]
        slots = 0 if any(name.startswith("*") for name in op.inputs) else len(op.inputs)
        xs += [None] * (slots - len(xs))
        one = len(grads) == 1
        found = op.gradient(grads[0] if one else tuple(grads), y[0] if one else tuple(y), *xs)
        return found if isinstance(found, tuple) else (found,)

    def _give(self, port: Port | None, value: Value, op: Op) -> None:
        assert port is not None
        wanted = self.tape.graph.type_of(port)
        assert value.type == wanted, f"the gradient of `{op.name}` is {value.type}, and its input {wanted}"
        self.found.setdefault(port, []).append(value)

    def _total(self, port: Port) -> Value | None:
        values = self.found.get(port)
        if not values:
            return None
        total = values[0]
        for value in values[1:]:
            total = total + value
        self.found[port] = [total]
        return total

    def _at(self, node: int) -> None:
        """Nodes made from here on come from this one."""
        self.tape.origin = replace(under(self.tape.graph.node(node), PREFIX), stream="")
