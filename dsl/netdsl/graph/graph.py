"""The graph itself: a networkx graph with typed access."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, ClassVar, cast

import networkx as nx

from netdsl.graph.values import Edge, Interface, Node, Port
from netdsl.types import TensorType


class _Attributes(dict[str, Any]):
    """The attributes of a node, of an edge or of the graph: one value under one key.

    The fields of that value used to be attributes. They still work, with a deprecation warning.
    """

    __slots__ = ()  # there is one for each edge
    key: ClassVar[str]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._is_field(name)

    def __missing__(self, name: str) -> Any:
        if not self._is_field(name):
            raise KeyError(name)
        message = f'the attribute "{name}" of a graph is deprecated: read "{self.key}", then `.{name}`'
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(self[self.key], name)

    def _is_field(self, name: object) -> bool:
        return super().__contains__(self.key) and name in {field.name for field in fields(self[self.key])}


class _NodeAttributes(_Attributes):
    __slots__ = ()
    key = "node"


class _EdgeAttributes(_Attributes):
    __slots__ = ()
    key = "edge"


class _GraphAttributes(_Attributes):
    __slots__ = ()
    key = "interface"


class Graph(nx.MultiDiGraph):  # type: ignore[misc]  # networkx has no types
    """A computation graph, with typed access to what its nodes and edges carry."""

    node_attr_dict_factory = _NodeAttributes
    edge_attr_dict_factory = _EdgeAttributes
    graph_attr_dict_factory = _GraphAttributes

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

    def ports_leaving(self, numbers: Iterable[int]) -> list[Port]:
        """The values that nodes outside a set read from nodes in it."""
        order = list(numbers)
        inside = set(order)
        edges = self.out_edges(order, data="edge")
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
        self.add_node(number, node=node)
        for slot, port in enumerate(inputs):
            if port is not None:
                self.add_edge(port[0], number, key=slot, edge=Edge(port[1], slot))
        return number

    def put(self, number: int, node: Node) -> None:
        """Replace the operator of a node, on the same inputs."""
        self._node[number]["node"] = node
