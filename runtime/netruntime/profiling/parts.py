"""Operators of a plan with what they compute: their source nodes, multiply-adds and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from netdsl.graph import Graph, Node, Port
from netdsl.immutable import immutable
from netdsl.model import Input, Output, Parameter
from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.engine.steps import Plan


@immutable
class Part:
    """An operator that ran, alone or with those that were fused with it.

    Args:
        label: Its label path.
        span: Its place in the user's own file.
        operators: The operators that it computes, in order.
        nodes: The nodes of the graph before fusion that it computes.
        kernels: What ran for it: native kernels, `numpy` or `cupy`.
        seconds: The least time of all repeats.
        multiply_adds: Products in its sums of products.
        bytes: Bytes of the values that it reads and writes, weights included.
    """

    label: str
    span: Span
    operators: tuple[str, ...]
    nodes: tuple[int, ...]
    kernels: tuple[str, ...]
    seconds: float
    multiply_adds: int
    bytes: int

    @property
    def operator(self) -> str:
        """The operators as text: `conv + relu`."""
        return " + ".join(self.operators)


def part_of(plan: Plan, node: int, sources: Iterable[int], kernels: Iterable[str], seconds: float) -> Part:
    """The part of a node of a plan, which stands for `sources` of the graph before fusion."""
    graph = plan.graph if plan.optimised is None else plan.optimised.source
    nodes = tuple(sources)
    data = plan.graph.node(node)
    computed = [graph.node(n) for n in nodes] or [data]
    multiply_adds = sum(cost_of(graph, n, plan.sizes) for n in nodes)
    return Part(
        label=computed[0].label,
        span=computed[0].user_span,
        operators=tuple(one.op.name for one in computed),
        nodes=nodes,
        kernels=tuple(dict.fromkeys(kernels)),
        seconds=seconds,
        multiply_adds=multiply_adds,
        bytes=bytes_of(plan.graph, node, plan.sizes),
    )


def cost_of(graph: Graph, node: int, sizes: Mapping[str, int]) -> int:
    """The multiply-adds of a node."""
    op, types = graph.node(node).op, graph.input_types(node)
    named = sum(not name.startswith("*") for name in op.inputs)
    return int(op.cost(*types, *[None] * (named - len(types))).evaluate(sizes))


def bytes_of(graph: Graph, node: int, sizes: Mapping[str, int]) -> int:
    """The bytes of the values that a node reads and writes; views move none."""
    if graph.node(node).op.is_view:
        return 0
    read = [type_ for type_ in graph.input_types(node) if type_ is not None]
    return sum(size_of(type_, sizes) for type_ in (*read, *graph.node(node).types))


def size_of(type_: TensorType, sizes: Mapping[str, int]) -> int:
    """The bytes of a value."""
    return prod(size.evaluate(sizes) for size in type_.shape) * type_.dtype.itemsize


def sources_of(plan: Plan) -> dict[int, list[int]]:
    """For each node of a plan's graph, the nodes before fusion that it computes, in order.

    A node that exists no more was fused with the one that reads it.
    """
    optimised = plan.optimised
    if optimised is None:
        return {number: [number] for number, node in plan.graph.operators() if _runs(node)}
    live = optimised.graph.needed_for(node for node, _ in optimised.wanted)
    homes: dict[int, int] = {}
    for number, node in reversed(list(optimised.source.operators())):
        home = _home(number, optimised.moved, live)
        if home is None:
            readers = sorted(optimised.source.successors(number))
            home = next((homes[reader] for reader in readers if reader in homes), None)
        if home is not None and _runs(node):
            homes[number] = home
    sources: dict[int, list[int]] = {}
    for number in sorted(homes):
        sources.setdefault(homes[number], []).append(number)
    return sources


def _home(number: int, moved: Mapping[Port, Port], live: set[int]) -> int | None:
    port = moved.get((number, 0))
    return port[0] if port is not None and port[0] in live else None


def _runs(node: Node) -> bool:
    return not isinstance(node.op, Input | Output | Parameter)
