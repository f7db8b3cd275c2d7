"""The graph itself: operators, and the values that go from one to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from netdsl.graph.attributes import EdgeAttributes, GraphAttributes, NodeAttributes
from netdsl.graph.values import Edge, Interface, Node, Port
from netdsl.types import TensorType


class Graph:
    """A computation graph: what its nodes and edges carry.

    It is laid out as a `networkx.MultiDiGraph`, of which `NetworkxGraph` makes one: networkx takes longer to
    import than a small network takes to load and run.
    """

    def __init__(self) -> None:
        self.graph: dict[str, Any] = GraphAttributes()
        self._node: dict[int, NodeAttributes] = {}
        self._succ: dict[int, dict[int, dict[int, EdgeAttributes]]] = {}
        self._pred: dict[int, dict[int, dict[int, EdgeAttributes]]] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(self._node)

    def __len__(self) -> int:
        return len(self._node)

    @property
    def name(self) -> str:
        """The name of the model."""
        return cast(str, self.graph.get("name", ""))

    @name.setter
    def name(self, name: str) -> None:
        self.graph["name"] = name

    @property
    def interface(self) -> Interface:
        """What the graph reads and computes, by name."""
        return cast(Interface, self.graph["interface"])

    @interface.setter
    def interface(self, interface: Interface) -> None:
        self.graph["interface"] = interface

    def node(self, number: int) -> Node:
        return cast(Node, self._node[number]["node"])

    def operators(self) -> Iterator[tuple[int, Node]]:
        """Every node with its number, in execution order."""
        return ((number, self.node(number)) for number in sorted(self))

    def type_of(self, port: Port) -> TensorType:
        return self.node(port[0]).types[port[1]]

    def inputs_of(self, number: int) -> list[Port | None]:
        """The values that a node reads, by slot; None for an omitted input before the last one."""
        read = {edge.slot: (source, edge.output) for source, edge in self.edges_into(number)}
        return [read.get(slot) for slot in range(max(read, default=-1) + 1)]

    def input_types(self, number: int) -> list[TensorType | None]:
        """The types of the values that a node reads, by slot."""
        return [None if port is None else self.type_of(port) for port in self.inputs_of(number)]

    def edges_into(self, number: int) -> Iterator[tuple[int, Edge]]:
        """The edges that end in a node, each with the node it comes from."""
        for source, parallel in self._pred[number].items():
            yield from ((source, attributes["edge"]) for attributes in parallel.values())

    def edges_from(self, number: int) -> Iterator[tuple[int, Edge]]:
        """The edges that start at a node, each with the node it leads to."""
        for target, parallel in self._succ[number].items():
            yield from ((target, attributes["edge"]) for attributes in parallel.values())

    def typed_edges(self) -> Iterator[tuple[int, int, Edge]]:
        """Every edge with the nodes it comes from and leads to."""
        return ((number, target, edge) for number in self for target, edge in self.edges_from(number))

    def predecessors(self, number: int) -> Iterator[int]:
        """The nodes that a node reads, each once."""
        return iter(self._pred[number])

    def successors(self, number: int) -> Iterator[int]:
        """The nodes that read a node, each once."""
        return iter(self._succ[number])

    def ports_leaving(self, numbers: Iterable[int]) -> list[Port]:
        """The values that nodes outside a set read from nodes in it."""
        order = list(numbers)
        inside = set(order)
        edges = ((source, target, edge) for source in order for target, edge in self.edges_from(source))
        return list(dict.fromkeys((source, edge.output) for source, to, edge in edges if to not in inside))

    def needed_for(self, numbers: Iterable[int]) -> set[int]:
        """These nodes and all that they depend on, in one walk; `networkx.ancestors` walks once per node."""
        needed = set(numbers)
        waiting = list(needed)
        while waiting:
            new = self._pred[waiting.pop()].keys() - needed
            needed |= new
            waiting += new
        return needed

    def add(self, node: Node, inputs: Sequence[Port | None]) -> int:
        """Add an operator that reads these values, None for omitted inputs. Returns its number."""
        number = len(self)
        self._node[number], self._succ[number], self._pred[number] = NodeAttributes(node=node), {}, {}
        for slot, port in enumerate(inputs):
            if port is not None:
                parallel = self._pred[number].setdefault(port[0], {})
                self._succ[port[0]][number] = parallel
                parallel[slot] = EdgeAttributes(edge=Edge(port[1], slot))
        return number

    def put(self, number: int, node: Node) -> None:
        """Replace the operator of a node, on the same inputs."""
        self._node[number]["node"] = node

    def copy(self) -> Graph:
        """A graph of the same nodes, to which others can be added."""
        copy = Graph()
        copy.graph.update(self.graph)
        for number in self:
            copy.add(self.node(number), self.inputs_of(number))
        return copy
