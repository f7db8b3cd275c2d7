"""The graph: typed values on a networkx graph, and the attributes that were there before."""

from __future__ import annotations

import networkx as nx
import pytest

from netdsl.checker import check
from netdsl.graph import Edge, Graph, Node, build
from netdsl.model import Input
from netdsl.modules import load_module
from netdsl.ops.elementwise.arithmetic import Subtract
from netdsl.source import Source

TEXT = """net 1.0
## Two layers.
model M(x: f32[B, 3]) -> y: f32[B, 3] {
  h = x -> a: Linear(3)
  return x - h
}
"""


@pytest.fixture
def graph() -> Graph:
    return build(check(load_module(Source("m.net", TEXT)), {}).models["M"])


def number_of(graph: Graph, label: str) -> int:
    return next(number for number, node in graph.operators() if node.label == label)


def test_it_is_a_networkx_graph(graph: Graph) -> None:
    assert isinstance(graph, nx.MultiDiGraph) and graph.name == "M"
    assert nx.get_node_attributes(graph, "node") == dict(graph.operators())
    assert all(isinstance(edge, Edge) for _, _, edge in graph.edges(data="edge"))


def test_a_copy_is_typed_too(graph: Graph) -> None:
    copy = graph.copy()
    assert isinstance(copy, Graph) and copy.interface == graph.interface
    assert dict(copy.operators()) == dict(graph.operators())


def test_inputs_are_in_the_order_of_slots(graph: Graph) -> None:
    inputs = graph.interface.inputs
    difference = next(n for n, node in graph.operators() if isinstance(node.op, Subtract))
    assert graph.inputs_of(difference) == [(inputs["x"], 0), graph.interface.blocks["a"][0]]
    assert [str(type_) for type_ in graph.input_types(difference)] == ["f32[B, 3]"] * 2


def test_an_input_left_out_is_none(graph: Graph) -> None:
    x = graph.interface.inputs["x"]
    number = graph.add(graph.node(x), [None, (x, 0)])
    assert graph.inputs_of(number) == [None, (x, 0)]
    assert graph.input_types(number) == [None, graph.type_of((x, 0))]


def test_the_interface_names_what_the_graph_computes(graph: Graph) -> None:
    assert graph.interface.doc == "Two layers."
    assert list(graph.interface.output_ports) == ["y"] and graph.interface.updates == {}


def test_needed_nodes_are_the_ancestors(graph: Graph) -> None:
    ends = {number_of(graph, "a.linear"), number_of(graph, "a.bias")}
    expected = ends.union(*(nx.ancestors(graph, end) for end in ends))
    assert graph.needed_for(ends) == expected and len(expected) == 4


def test_values_that_leave_a_part_of_the_graph(graph: Graph) -> None:
    x, linear = graph.interface.inputs["x"], number_of(graph, "a.linear")
    assert graph.ports_leaving([x, linear]) == [(x, 0), (linear, 0)]
    assert graph.ports_leaving(graph) == []


def test_an_operator_can_be_put_in_the_place_of_another(graph: Graph) -> None:
    x = graph.interface.inputs["x"]
    graph.put(x, graph.node(x).with_op(Input("z"), graph.node(x).types))
    node = graph.node(x)
    assert isinstance(node, Node) and node.op == Input("z") and node.label == "x"


def test_former_attributes_still_answer_with_a_warning(graph: Graph) -> None:
    number = number_of(graph, "a.linear")
    with pytest.warns(DeprecationWarning, match=r'read "node", then `\.label`'):
        assert graph.nodes[number]["label"] == "a.linear"
    with pytest.warns(DeprecationWarning, match=r'read "edge", then `\.slot`'):
        slots = [data["slot"] for _, _, data in graph.in_edges(number, data=True)]
    assert slots == [0, 1, 2]
    with pytest.warns(DeprecationWarning, match=r'read "interface", then `\.outputs`'):
        assert list(graph.graph["outputs"]) == ["y"]
    with pytest.warns(DeprecationWarning):
        assert nx.get_node_attributes(graph, "label")[number] == "a.linear"
    with pytest.raises(KeyError):
        graph.nodes[number]["colour"]
