"""A value of any shape made a scalar: its product with a direction that comes in from outside."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from netdsl.graph import Port
from netdsl.model import Input, Model, Slot
from netruntime.autodiff.tape import GraphTape, Origin
from netruntime.errors import DataInputError


def along(graph: nx.MultiDiGraph, model: Model, port: Port, name: str) -> tuple[nx.MultiDiGraph, Model, Port]:
    """A copy of the graph with the sum of `value * direction`, its model with the new input, and that sum.

    Its gradient is the direction times the Jacobian of the value. Raises `DataInputError` E1135 where the
    model has an input of that name.
    """
    if name in graph.graph["inputs"]:
        help = "give the direction a name of its own"
        raise DataInputError.make("E1135", f"`{model.name}` has an input `{name}` already", help=help)
    copy = graph.copy()
    copy.graph = {**graph.graph, "inputs": dict(graph.graph["inputs"])}
    data = graph.nodes[port[0]]
    type_ = data["types"][port[1]]
    tape = GraphTape(copy, Origin(name, data["span"], ()))
    node = tape.add(Input(name), (), (type_,), Origin(name, data["span"], ()))
    copy.graph["inputs"][name] = node
    total = (tape.value(port) * tape.value((node, 0))).sum(range(type_.rank))
    slot = Slot(name, type_, len(model.body.inputs), data["span"])
    body = replace(model.body, inputs=(*model.body.inputs, slot))
    return copy, replace(model, body=body), total.ref
