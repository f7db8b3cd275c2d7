"""The cell of a scan as a graph, and back: graphs are what gets analysed, programs are what scans run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from netdsl.graph.graph import Graph
from netdsl.graph.values import Interface, Node, Port
from netdsl.immutable import immutable
from netdsl.model import Input, join
from netdsl.ops.sequence.scan import Program, ProgramStep
from netdsl.source import Span


def program_graph(program: Program, path: str, span: Span) -> tuple[Graph, list[Port]]:
    """The graph of a scan's cell, and the values that are the cell's results.

    The nodes of the cell's inputs come first, in order.

    Args:
        path: The label path of the scan, before all labels of the graph.
        span: The place of the scan, which is that of the cell's inputs.
    """
    graph = Graph()
    graph.name = path
    graph.interface = Interface()
    values: list[Port] = [
        (graph.add(Node(Input(name), join(path, name), span, (type_,)), ()), 0)
        for name, type_ in program.inputs
    ]
    for step in program.steps:
        inputs = [None if number is None else values[number] for number in step.inputs]
        node = graph.add(Node(step.op, join(path, step.label), step.span, step.types), inputs)
        values += [(node, n) for n in range(len(step.types))]
    return graph, [values[number] for number in program.outputs]


@immutable
class Trace:
    """The computation of some values of a graph: the nodes in order, and the given values they read."""

    nodes: tuple[int, ...]
    given: tuple[Port, ...]


def trace(graph: Graph, wanted: Iterable[Port], is_given: Callable[[Port], bool]) -> Trace:
    """Follow values backwards to the given ones."""
    nodes: set[int] = set()
    given: dict[Port, None] = {}
    waiting: list[Port | None] = list(wanted)
    while waiting:
        port = waiting.pop()
        if port is None:
            continue
        if is_given(port):
            given[port] = None
        elif port[0] not in nodes:
            nodes.add(port[0])
            waiting += graph.inputs_of(port[0])
    return Trace(tuple(sorted(nodes)), tuple(sorted(given)))


def program_of(graph: Graph, inputs: Sequence[Port], outputs: Sequence[Port]) -> Program:
    """The program that computes values of a graph from others. Its inputs are named as their nodes."""
    numbers = {port: n for n, port in enumerate(inputs)}
    count = len(inputs)
    steps = []
    for number in trace(graph, outputs, numbers.__contains__).nodes:
        node = graph.node(number)
        arguments = tuple(None if port is None else numbers[port] for port in graph.inputs_of(number))
        steps.append(ProgramStep(node.op, arguments, node.types, node.label, node.span))
        for output in range(len(node.types)):
            numbers.setdefault((number, output), count + output)
        count += len(node.types)
    named = tuple((graph.node(port[0]).label, graph.type_of(port)) for port in inputs)
    return Program(named, tuple(steps), tuple(numbers[port] for port in outputs))
