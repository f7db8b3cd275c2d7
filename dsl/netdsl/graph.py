"""From a typed model to a networkx graph: every block expanded, every operator a node.

Nodes are numbered in execution order. Each carries `op`, `label` (its label path), `span`, `chain`
(the block calls that made it, outermost first) and `types` (its outputs). An edge runs from producer
to consumer and carries `output` (which output of the producer) and `slot` (which input of the
consumer). A node of a scan also carries `body`, the graph of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl.diagnostics import Label, error
from netdsl.model import Body, CallStep, Input, Model, OpStep, Output, Parameter, join
from netdsl.ops.contract.base import Op
from netdsl.ops.sequence.scan import Program, Scan
from netdsl.source import Span
from netdsl.types import TensorType

if TYPE_CHECKING:  # importing networkx takes longer than checking a file
    import networkx as nx

Port = tuple[int, int]
"""A value of the graph: a node and which of its outputs."""


@dataclass(frozen=True)
class Frame:
    """One call of a block: which block, under which label path, from where."""

    block: str
    label: str
    span: Span


def build(model: Model) -> nx.MultiDiGraph:
    """The graph of a model.

    Its attributes `inputs` and `outputs` map names to node numbers, `blocks` the label path of every block
    call to what it returned, and `updates` the label path of every buffer that gets a new value by a run to
    that value. Where a layer is applied several times, each application starts from the value that the one
    before it gave.
    """
    expansion = _Expansion()
    ports: list[Port | None] = []
    inputs = {}
    for slot in model.body.inputs:
        node = expansion.add(Input(slot.name), (), (slot.type,), slot.name, slot.span, ())
        inputs[slot.name] = node
        ports.append((node, 0))
    results = expansion.expand(model.body, ports, "", ())
    outputs = {}
    for slot, port in zip(model.body.outputs, results, strict=True):
        outputs[slot.name] = expansion.add(Output(slot.name), (port,), (slot.type,), slot.name, slot.span, ())
    expansion.graph.graph.update(
        name=model.name, inputs=inputs, outputs=outputs, blocks=expansion.blocks, doc=model.doc
    )
    expansion.graph.graph["updates"] = expansion.updates
    return expansion.graph


def _empty_graph() -> nx.MultiDiGraph:
    import networkx as nx

    return nx.MultiDiGraph()


@dataclass
class _Expansion:
    graph: nx.MultiDiGraph = field(default_factory=_empty_graph)
    parameters: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, tuple[Port | None, ...]] = field(default_factory=dict)
    updates: dict[str, Port] = field(default_factory=dict)

    def add(
        self,
        op: Op,
        inputs: Sequence[Port | None],
        types: tuple[TensorType, ...],
        label: str,
        span: Span,
        chain: tuple[Frame, ...],
    ) -> int:
        return add_node(self.graph, op, inputs, types, label, span, chain)

    def expand(
        self, body: Body, inputs: Sequence[Port | None], path: str, chain: tuple[Frame, ...], uses: str = ""
    ) -> list[Port | None]:
        values = list(inputs)
        for step in body.steps:
            args = [None if i is None else values[i] for i in step.inputs]
            label = join(path, step.label)
            if isinstance(step, CallStep):
                use = uses + (f"@{step.application + 1}" if step.application else "")
                frame = Frame(step.body.name, label + use, step.span)
                results = self.expand(step.body, args, label, (*chain, frame), use)
                self.blocks[frame.label] = tuple(results)
                values += results
            elif isinstance(step.op, Parameter):
                node = self._parameter(step, label, chain)
                values.append(self.updates.get(label, (node, 0)))
            else:
                node = self.add(step.op, args, step.types, label + uses, step.span, chain)
                values += [(node, n) for n in range(len(step.types))]
        for label, value in body.updates:
            port = values[value]
            assert port is not None
            self.updates[join(path, label)] = port
        return [values[slot.value] for slot in body.outputs]

    def _parameter(self, step: OpStep, path: str, chain: tuple[Frame, ...]) -> int:
        if path not in self.parameters:
            self.parameters[path] = self.add(step.op, (), step.types, path, step.span, chain)
        node = self.parameters[path]
        if self.graph.nodes[node]["types"] != step.types:
            first = self.graph.nodes[node]
            also = [Label(first["span"], f"{first['types'][0]} here")]
            message = f"the weight `{path}` is {step.types[0]} here, and {first['types'][0]} before"
            raise error("E0309", message, step.span, also=also, help="give the two layers different labels")
        return node


def add_node(
    graph: nx.MultiDiGraph,
    op: Op,
    inputs: Sequence[Port | None],
    types: Sequence[TensorType],
    label: str,
    span: Span,
    chain: tuple[Frame, ...],
) -> int:
    """Add an operator that reads these values, None for inputs left out. Returns its node."""
    node = len(graph)
    graph.add_node(node, op=op, label=label, span=span, chain=chain, types=tuple(types))
    for slot, port in enumerate(inputs):
        if port is not None:
            graph.add_edge(port[0], node, key=slot, output=port[1], slot=slot)
    if isinstance(op, Scan):
        graph.nodes[node]["body"] = program_graph(op.program, label, span)
    return node


def inputs_of(graph: nx.MultiDiGraph, node: int) -> list[Port | None]:
    """The values that a node reads, by slot; None where an input is left out before the last one."""
    edges = {data["slot"]: (source, data["output"]) for source, _, data in graph.in_edges(node, data=True)}
    return [edges.get(slot) for slot in range(max(edges, default=-1) + 1)]


def program_graph(cell: Program, path: str, span: Span) -> nx.MultiDiGraph:
    """The graph of a scan's cell, for drawing and analysis."""
    expansion = _Expansion()
    ports: list[Port] = []
    for name, type_ in cell.inputs:
        ports.append((expansion.add(Input(name), (), (type_,), join(path, name), span, ()), 0))
    for step in cell.steps:
        args = [None if i is None else ports[i] for i in step.inputs]
        node = expansion.add(step.op, args, step.types, join(path, step.label), step.span, ())
        ports += [(node, n) for n in range(len(step.types))]
    expansion.graph.graph.update(name=path, outputs=[ports[value] for value in cell.outputs])
    return expansion.graph
