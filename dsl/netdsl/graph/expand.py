"""From a typed model to a graph: every block expanded, every operator a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.flatten import FlatBody, flatten
from netdsl.graph.graph import Graph
from netdsl.graph.values import Interface, Node, Port
from netdsl.model import Input, Model, Output
from netdsl.modules import too_much_work
from netdsl.work import TooMuchWork, limited

if TYPE_CHECKING:  # networkx is imported when it is asked for
    from netdsl.graph.networkx_graph import NetworkxGraph


def build(model: Model) -> NetworkxGraph:
    """The graph of a model, for networkx; its `interface` has the names of the model.

    Raises:
        NetError: E0609 for a model of so many operators that its graph takes too long to make.
    """
    from netdsl.graph.networkx_graph import as_networkx

    return as_networkx(expand(model))


def expand(model: Model) -> Graph:
    """The graph of a model, as the runtime reads it. Raises what `build` raises."""
    try:
        with limited():
            flat = flatten(model.body)
    except TooMuchWork:
        raise too_much_work(model.body.span) from None
    return _graph(model, flat)


def _graph(model: Model, flat: FlatBody) -> Graph:
    graph = Graph()
    inputs = {
        slot.name: graph.add(Node(Input(slot.name), slot.name, slot.span, (slot.type,)), ())
        for slot in model.body.inputs
    }
    values: list[Port] = [(node, 0) for node in inputs.values()]
    for step in flat.steps:
        node = Node(step.op, step.label, step.span, step.types, step.chain)
        number = graph.add(node, [None if n is None else values[n] for n in step.inputs])
        values += [(number, n) for n in range(len(step.types))]
    outputs = {
        slot.name: graph.add(Node(Output(slot.name), slot.name, slot.span, (slot.type,)), (values[number],))
        for slot, number in zip(model.body.outputs, flat.outputs, strict=True)
    }
    blocks = {
        label: tuple(None if n is None else values[n] for n in results)
        for label, results in flat.blocks.items()
    }
    updates = {label: values[n] for label, n in flat.updates.items()}
    graph.name = model.name
    graph.interface = Interface(inputs, outputs, blocks, updates, model.doc)
    return graph
