"""The graph as one of networkx."""

from __future__ import annotations

import networkx as nx

from netdsl.graph.attributes import EdgeAttributes, GraphAttributes, NodeAttributes
from netdsl.graph.graph import Graph


class NetworkxGraph(nx.MultiDiGraph, Graph):  # type: ignore[misc]  # networkx has no types
    """A computation graph on which networkx works as usual, with typed access to what it carries."""

    node_attr_dict_factory = NodeAttributes
    edge_attr_dict_factory = EdgeAttributes
    graph_attr_dict_factory = GraphAttributes


def as_networkx(graph: Graph) -> NetworkxGraph:
    """A copy of a graph for networkx, with the same numbers of nodes."""
    copy = NetworkxGraph(**graph.graph)
    for number in graph:
        copy.add_node(number, node=graph.node(number))
        for source, edge in graph.edges_into(number):
            copy.add_edge(source, number, key=edge.slot, edge=edge)
    return copy
