"""The cell of a scan as a graph."""

from __future__ import annotations

from netdsl.graph.graph import Graph
from netdsl.graph.values import Node, Port
from netdsl.model import Input, join
from netdsl.ops.sequence.scan import Program
from netdsl.source import Span


def program_graph(program: Program, path: str, span: Span) -> tuple[Graph, list[Port]]:
    """The graph of a scan's cell, and the values that are the cell's results.

    Args:
        path: The label path of the scan, before all labels of the graph.
        span: The place of the scan, which is that of the cell's inputs.
    """
    graph = Graph()
    graph.name = path
    values: list[Port] = [
        (graph.add(Node(Input(name), join(path, name), span, (type_,)), ()), 0)
        for name, type_ in program.inputs
    ]
    for step in program.steps:
        inputs = [None if number is None else values[number] for number in step.inputs]
        node = graph.add(Node(step.op, join(path, step.label), step.span, step.types), inputs)
        values += [(node, n) for n in range(len(step.types))]
    return graph, [values[number] for number in program.outputs]
