"""The tape on which formulas become nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netdsl.graph.graph import Graph
from netdsl.graph.values import Node, Port
from netdsl.model import Input
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.shape.rearrange import Transpose
from netdsl.types import TensorType


@dataclass
class GraphTape:
    """Adds operators to a graph; a value's reference is its port.

    An operator that the tape has already added, on the same inputs, is reused.
    """

    graph: Graph
    origin: Node
    """The node whose label, place and calls new nodes take."""
    known: dict[tuple[Op, tuple[Port | None, ...]], int] = field(default_factory=dict)

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Port]:
        if op == Transpose((1, 0)) and inputs[0] is not None:
            turned = self._turned_product(inputs[0])
            if turned is not None:
                return [turned.ref]
        ports = tuple(None if value is None else value.ref for value in inputs)
        node = None if op.is_random else self.known.get((op, ports))
        if node is None:
            node = self.graph.add(self.origin.with_op(op, types), ports)
            self.known[(op, ports)] = node
        return [(node, n) for n in range(len(types))]

    def value(self, port: Port) -> Value:
        return Value(self, port, self.graph.type_of(port))

    def input(self, name: str, type_: TensorType) -> Value:
        """A further input of the graph."""
        node = Node(Input(name), name, self.origin.span, (type_,))
        return self.value((self.graph.add(node, ()), 0))

    def _turned_product(self, value: Value) -> Value | None:
        """`(a b)ᵀ` as `bᵀ aᵀ`, whose rows are contiguous; None if `value` is not such a product.

        This is the gradient of an embedding table that also serves as the last layer.
        """
        if not isinstance(self.graph.node(value.ref[0]).op, MatMul):
            return None
        a, b = (self.value(port) for port in self.graph.inputs_of(value.ref[0]) if port is not None)
        return b.transpose([1, 0]).apply(MatMul(), a.transpose([1, 0])) if a.rank == b.rank == 2 else None


def values_at(ports: Sequence[Port], values: Sequence[Value | None]) -> dict[Port, Value]:
    """The values by port, without those left out."""
    pairs = zip(ports, values, strict=True)
    return {port: value for port, value in pairs if value is not None}
