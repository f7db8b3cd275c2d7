"""The gradients of a scalar of a graph, as a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.diagnostics import NetError, error
from netdsl.graph import Graph, Port
from netdsl.immutable import immutable
from netdsl.ops.sequence.scan import Scan
from netruntime.engine.autodiff.backward import Backward, carrying
from netruntime.engine.autodiff.forward import Recomputed
from netruntime.engine.autodiff.lower import lower
from netruntime.engine.autodiff.scans import scan_gradient


@immutable
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
        NetError: E1130 for a loss that is not a scalar float, E1131 for a value of integers or booleans,
            E1132 where an operator between them cannot be differentiated.
    """
    _check(graph, loss, wrt)
    lowered = lower(graph)
    tape = lowered.tape
    start = lowered.moved[loss]
    targets = [lowered.moved[port] for port in wrt]
    carried = carrying(tape.graph, targets, tape.graph.needed_for([start[0]]))
    backward = Backward(tape, carried, Recomputed(tape, recompute), {Scan: scan_gradient})
    backward.at(start[0])
    backward.seed(start, tape.value(start).constant(1.0))
    backward.run()
    gradients = [backward.gradient(port) for port in targets]
    ports = tuple(None if gradient is None else gradient.ref for gradient in gradients)
    return Differentiated(tape.graph, tuple(wrt), ports, lowered.moved)


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
    path = {target[0]}
    for node in sorted(graph.needed_for([loss[0]])):
        if path.isdisjoint(graph.predecessors(node)):
            continue
        path.add(node)
        data = graph.node(node)
        if why := data.op.no_gradient:
            message = f"`{name}` depends on `{label}` only through `{data.user_name}`, which {why}"
            return _failed(graph, node, "E1134", message, "use a smooth function in its place")
    help = "ask for a value that the loss is computed from"
    return _failed(graph, target[0], "E1134", f"`{name}` does not depend on `{label}`", help)
