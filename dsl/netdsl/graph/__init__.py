"""The computation graph, whose nodes are operators: as the runtime reads it, and as a networkx graph.

Nodes are numbered in execution order. Each carries one value, a `Node`, under the key "node"; an edge runs
from producer to consumer and carries an `Edge` under the key "edge"; the graph's own attribute "interface"
is an `Interface`. networkx works as usual on what `build` makes: `graph.nodes(data="node")`,
`networkx.ancestors(graph, 3)`.
"""

from netdsl.flatten import Frame
from netdsl.graph.expand import build, expand
from netdsl.graph.graph import Graph
from netdsl.graph.programs import program_graph, program_of, trace
from netdsl.graph.tape import GraphTape, values_at
from netdsl.graph.values import Edge, Interface, Node, Port

__all__ = [
    "Edge",
    "Frame",
    "Graph",
    "GraphTape",
    "Interface",
    "Node",
    "Port",
    "build",
    "expand",
    "program_graph",
    "program_of",
    "trace",
    "values_at",
]
