"""Equal groups in a row, which drawings show once: the six layers of an encoder."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from netdsl.graph import Graph
from netdsl.model import Input, Output
from netdsl.ops.sequence.scan import Scan
from netruntime.draw.hierarchy import LabelGroup, is_hidden


class RepeatRun(NamedTuple):
    """A child of a group, how many equal ones in a row it represents, and the label of the last of them."""

    first: LabelGroup | int
    copies: int = 1
    last: str = ""


def find_repeats(graph: Graph, group: LabelGroup, alias: dict[int, int]) -> list[RepeatRun]:
    """The children of a group with repetitions taken together.

    Groups in a row are repetitions where they hold the same operators, each wired to the one before in
    the same way, or all to the same values. Operators of all but the first are entered into `alias`, each
    with the operator that represents it.
    """
    runs: list[RepeatRun] = []
    run: list[_Copy] = []
    for child in group.children:
        copy = _Copy(graph, child) if isinstance(child, LabelGroup) else None
        if copy is not None and run and _continues(run, copy):
            run.append(copy)
            alias.update(zip(copy.nodes, run[0].nodes, strict=True))
            runs[-1] = RepeatRun(runs[-1].first, len(run), copy.label)
            continue
        run = [copy] if copy is not None else []
        runs.append(RepeatRun(child))
    return runs


class _Copy:
    """A group seen as one of several equal ones."""

    def __init__(self, graph: Graph, group: LabelGroup) -> None:
        self.graph = graph
        self.block, self.label = group.block, group.label
        self.nodes = list(group.nodes())
        self.index = {node: n for n, node in enumerate(self.nodes)}
        self.operators = [self._operator(node) for node in self.nodes]

    def _operator(self, node: int) -> Hashable:
        data = self.graph.node(node)
        op = data.op
        if isinstance(op, Input | Output):
            return node
        if isinstance(op, Scan):
            steps = tuple((step.op, step.inputs) for step in op.program.steps)
            return steps, op.sequences, op.reverse, data.types
        return op, data.types

    def wires(self, before: _Copy | None) -> list[tuple[Hashable, ...]]:
        """For each input of each operator where it comes from, seen from this copy."""
        wires = []
        for place, node in enumerate(self.nodes):
            for source, edge in self.graph.edges_into(node):
                wires.append((place, edge.slot, *self._source(source, edge.output, before)))
        return sorted(wires, key=lambda wire: wire[:2])

    def _source(self, node: int, output: int, before: _Copy | None) -> tuple[Hashable, ...]:
        if node in self.index:
            return "inside", self.index[node], output
        if before is not None and node in before.index:
            return "before", before.index[node], output
        data = self.graph.node(node)
        if is_hidden(data.op):
            return "hidden", data.op, data.types
        return "outside", node, output


def _continues(run: list[_Copy], copy: _Copy) -> bool:
    """Whether a group repeats the run before it."""
    last = run[-1]
    if copy.block != last.block or copy.operators != last.operators or not copy.nodes:
        return False
    ours = copy.wires(last)
    earlier = {node for other in run[:-1] for node in other.index}
    if any(wire[2] == "outside" and wire[3] in earlier for wire in ours):
        return False
    if len(run) > 1:
        return ours == last.wires(run[-2])
    first = last.wires(None)
    return len(ours) == len(first) and all(
        a == b or a[2] == "before" for a, b in zip(ours, first, strict=True)
    )
