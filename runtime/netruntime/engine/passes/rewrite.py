"""Rewriting a graph: a copy in which rules put other operators in the place of some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from netdsl.graph import Graph, GraphTape, Node, Port, program_graph, program_of
from netdsl.immutable import immutable
from netdsl.ops.contract.value import Value
from netdsl.ops.sequence.scan import Scan


@dataclass
class RewriteTape(GraphTape):
    """The tape of a graph that is being rewritten."""

    uses: Counter[Port] = field(default_factory=Counter)
    """How often each value that was there before is read, by operators and as a result."""


Rule = Callable[[RewriteTape, Node, Sequence[Value | None]], Sequence[Value] | None]
"""The outputs of a node from other operators on the tape, for its inputs there; None to leave it as it is."""


@immutable
class Rewritten:
    """The new graph on its tape, and where each port of the old one went."""

    tape: RewriteTape
    moved: dict[Port, Port]


def rewrite(
    graph: Graph, rules: Sequence[Rule], wanted: Sequence[Port] = (), *, named: bool = True
) -> Rewritten:
    """Copy a graph by rules; the first one that has something for a node is taken. Cells of scans come first.

    A cell whose state grows is left as it is.

    Args:
        wanted: Values that somebody reads besides the operators, for rules that ask `uses`.
        named: Whether the new graph keeps the interface of the old one.
    """
    tape = RewriteTape(Graph(), graph.node(next(iter(graph))))
    moved: dict[Port, Port] = {}
    uses = _uses(graph, wanted)
    for number, node in graph.operators():
        inputs = [None if port is None else tape.value(moved[port]) for port in graph.inputs_of(number)]
        outputs = _rewritten(tape, _with_cell(node, rules), inputs, rules)
        moved |= {(number, n): port for n, port in enumerate(outputs)}
        for n, port in enumerate(outputs):
            tape.uses[port] += uses[number, n]
    tape.graph.name = graph.name
    if named:
        tape.graph.interface = graph.interface.moved(moved)
    return Rewritten(tape, moved)


def _uses(graph: Graph, wanted: Sequence[Port]) -> Counter[Port]:
    return Counter(wanted) + Counter((source, edge.output) for source, _, edge in graph.typed_edges())


def _with_cell(node: Node, rules: Sequence[Rule]) -> Node:
    """The node; if it is a scan, with its cell rewritten."""
    scan = node.op
    if not isinstance(scan, Scan) or any(scan.grows):
        return node
    cell, results = program_graph(scan.program, "", node.span)
    rewritten = rewrite(cell, rules, results, named=False)
    inputs = [rewritten.moved[n, 0] for n in range(len(scan.program.inputs))]
    program = program_of(rewritten.tape.graph, inputs, [rewritten.moved[port] for port in results])
    return node.with_op(replace(scan, program=program), node.types)


def _rewritten(
    tape: RewriteTape, node: Node, inputs: Sequence[Value | None], rules: Sequence[Rule]
) -> list[Port]:
    """The outputs of a node in the new graph."""
    tape.origin = node
    for rule in rules:
        outputs = rule(tape, node, inputs)
        if outputs is not None:
            return [value.ref for value in outputs]
    number = tape.graph.add(node, [None if value is None else value.ref for value in inputs])
    return [(number, n) for n in range(len(node.types))]
