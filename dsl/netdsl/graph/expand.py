"""From a typed model to a graph: every block expanded, every operator a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netdsl.diagnostics import Label, error
from netdsl.graph.graph import Graph
from netdsl.graph.values import Frame, Interface, Node, Port
from netdsl.model import Body, CallStep, Input, Model, OpStep, Output, Parameter, join


def build(model: Model) -> Graph:
    """The graph of a model; its `interface` has the names of the model."""
    expansion = _Expansion()
    graph = expansion.graph
    inputs = {
        slot.name: graph.add(Node(Input(slot.name), slot.name, slot.span, (slot.type,)), ())
        for slot in model.body.inputs
    }
    results = expansion.expand(model.body, [(node, 0) for node in inputs.values()], "", ())
    outputs = {
        slot.name: graph.add(Node(Output(slot.name), slot.name, slot.span, (slot.type,)), (port,))
        for slot, port in zip(model.body.outputs, results, strict=True)
    }
    graph.name = model.name
    graph.interface = Interface(inputs, outputs, expansion.blocks, expansion.updates, model.doc)
    return graph


@dataclass
class _Expansion:
    graph: Graph = field(default_factory=Graph)
    parameters: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, tuple[Port | None, ...]] = field(default_factory=dict)
    updates: dict[str, Port] = field(default_factory=dict)

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
                node = self.graph.add(Node(step.op, label + uses, step.span, step.types, chain), args)
                values += [(node, n) for n in range(len(step.types))]
        for label, value in body.updates:
            port = values[value]
            assert port is not None
            self.updates[join(path, label)] = port
        return [values[slot.value] for slot in body.outputs]

    def _parameter(self, step: OpStep, path: str, chain: tuple[Frame, ...]) -> int:
        if path not in self.parameters:
            self.parameters[path] = self.graph.add(Node(step.op, path, step.span, step.types, chain), ())
        first = self.graph.node(self.parameters[path])
        if first.types != step.types:
            also = [Label(first.span, f"{first.types[0]} here")]
            message = f"the weight `{path}` is {step.types[0]} here, and {first.types[0]} before"
            raise error("E0309", message, step.span, also=also, help="give the two layers different labels")
        return self.parameters[path]
