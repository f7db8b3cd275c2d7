"""A value of any shape made a scalar: its product with a direction that comes in from outside."""

from __future__ import annotations

from dataclasses import replace

from netdsl.graph import Graph, GraphTape, Node, Port
from netdsl.model import Input, Model, Slot
from netruntime.errors import DataInputError


def along(graph: Graph, model: Model, port: Port, name: str) -> tuple[Graph, Model, Port]:
    """A copy of the graph with the sum of `value * direction`, its model with the new input, and that sum.

    Its gradient is the direction times the Jacobian of the value. Raises `DataInputError` E1135 where the
    model has an input of that name.
    """
    if name in graph.interface.inputs:
        help = "give the direction another name"
        raise DataInputError.make("E1135", f"`{model.name}` has an input `{name}` already", help=help)
    copy = graph.copy()
    value = graph.node(port[0])
    type_ = value.types[port[1]]
    origin = Node(Input(name), name, value.span, (type_,))
    node = copy.add(origin, ())
    copy.interface = replace(graph.interface, inputs={**graph.interface.inputs, name: node})
    tape = GraphTape(copy, origin)
    total = (tape.value(port) * tape.value((node, 0))).sum(range(type_.rank))
    slot = Slot(name, type_, len(model.body.inputs), value.span)
    body = replace(model.body, inputs=(*model.body.inputs, slot))
    return copy, replace(model, body=body), total.ref
