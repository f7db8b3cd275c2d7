"""Splits the outputs of a loss's graph into statistics of the rows and what is computed from them.

The loss of a batch is a function of sums, means and the like over its rows: say of a sum of losses and a
count of labels. Of several batches together the same function is computed, from their statistics combined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.dims import Dim, product
from netdsl.graph import Graph, GraphTape, Port, trace
from netdsl.immutable import immutable
from netdsl.model import Input, Parameter
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.rules import normal_axes
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.reduce.reduce import LogSumExp, Max, Mean, Min, Prod, Sum
from netdsl.ops.reduce.reduce_axis import All, Any
from netdsl.ops.reduce.variance import Variance
from netdsl.types import DType, TensorType
from netruntime.train.statistics.kinds import Kind, Statistic

_KINDS: Mapping[type[Op], Kind] = {
    Sum: Kind.SUM,
    Einsum: Kind.SUM,
    MatMul: Kind.SUM,
    Max: Kind.MAX,
    Any: Kind.MAX,
    Min: Kind.MIN,
    All: Kind.MIN,
    Prod: Kind.PRODUCT,
    LogSumExp: Kind.LOGSUMEXP,
}


@immutable
class Split:
    """Outputs of a graph as functions of statistics.

    Args:
        graph: The graph, with the counts and means that the statistics need.
        outputs: The outputs by name.
        statistics: What the outputs are computed from.
        nodes: For each output, the nodes that compute it from the statistics, in order.
        batch: The symbol of the number of rows; None if the inputs have none in common.
    """

    graph: Graph
    outputs: Mapping[str, Port]
    statistics: tuple[Statistic, ...]
    nodes: Mapping[str, tuple[int, ...]]
    batch: str | None

    def copy_output(
        self, name: str, target: Graph, ports: Mapping[Port, Port], sizes: Mapping[str, Dim] | None = None
    ) -> Port:
        """Compute an output in another graph, from its statistics at the given ports.

        `sizes` are the free sizes in it, if they are others than in this graph.
        """
        moved = dict(ports)
        for number in self.nodes[name]:
            node = self.graph.node(number)
            if sizes:
                types = [type_.substitute(sizes) for type_ in node.types]
                node = node.with_op(node.op.bind(sizes), types)
            inputs = [None if port is None else moved[port] for port in self.graph.inputs_of(number)]
            copied = target.add(node, inputs)
            moved |= {(number, n): (copied, n) for n in range(len(node.types))}
        return moved[self.outputs[name]]


def split_outputs(graph: Graph, outputs: Mapping[str, Port], batch: str | None) -> Split:
    """Split outputs at the statistics of their rows.

    An output that depends on the rows in another way is a statistic itself, of the kind `ROWS`.

    Args:
        graph: Left as it is.
        outputs: Outputs by name.
        batch: The symbol of the number of rows.
    """
    work = graph.copy()
    work.interface = graph.interface
    cutter = _Cutter(work, batch)
    statistics: dict[Port, Statistic] = {}
    nodes: dict[str, tuple[int, ...]] = {}
    for name, port in outputs.items():
        nodes[name], cuts = cutter.cut(port)
        for statistic in cuts:
            statistics.setdefault(statistic.port, statistic)
    return Split(work, outputs, tuple(statistics.values()), nodes, batch)


class _Cutter:
    """Finds where the rows of a batch end in a graph."""

    def __init__(self, graph: Graph, batch: str | None) -> None:
        self.graph = graph
        self.batch = batch
        self._varying: set[int] = set()
        """Nodes that depend on values which have a row axis."""
        self._sized: set[int] = set()
        """Nodes that depend on the number of rows."""
        self._sourced: set[int] = set()
        """Nodes that depend on weights, inputs or random numbers."""
        for number, node in graph.operators():
            before = set(graph.predecessors(number))
            if any(map(self._has_rows, node.types)) or before & self._varying:
                self._varying.add(number)
            if batch is not None and (node.op.depends_on(batch) or before & self._sized):
                self._sized.add(number)
            if isinstance(node.op, (Input, Parameter)) or node.op.is_random or before & self._sourced:
                self._sourced.add(number)

    def cut(self, output: Port) -> tuple[tuple[int, ...], Sequence[Statistic]]:
        """The nodes that compute an output from statistics, and these statistics."""
        if self.batch is None:
            return (), (Statistic(output, Kind.ROWS),)
        traced = trace(self.graph, [output], self._is_cut)
        statistics = [self._statistic(port) for port in traced.given]
        known = all(self._is_known(self.graph.type_of(s.port)) for s in statistics)
        if not known or any(s.kind is Kind.ROWS for s in statistics):
            return (), (Statistic(output, Kind.ROWS),)
        return traced.nodes, statistics

    def _has_rows(self, type_: TensorType | None) -> bool:
        return type_ is not None and any(self.batch in size.symbols for size in type_.shape)

    def _is_known(self, type_: TensorType) -> bool:
        return all(size.is_fixed for size in type_.shape)

    def _is_cut(self, port: Port) -> bool:
        number = port[0]
        if number in self._varying:
            return any(map(self._has_rows, self.graph.input_types(number)))
        return number in self._sourced and number not in self._sized

    def _statistic(self, port: Port) -> Statistic:
        number = port[0]
        if number not in self._varying:
            return Statistic(port, Kind.MEAN)  # the same in every batch, but for updates in between
        op, inputs = self.graph.node(number).op, self.graph.inputs_of(number)
        if isinstance(op, (Mean, Variance)):
            return self._moment(port, op, inputs)
        if isinstance(op, Linear) and len(inputs) == 2:
            return Statistic(port, Kind.SUM)
        return Statistic(port, _KINDS.get(type(op), Kind.ROWS))

    def _moment(self, port: Port, op: Mean | Variance, inputs: Sequence[Port | None]) -> Statistic:
        tape = GraphTape(self.graph, self.graph.node(port[0]))
        x, where = (None if p is None else tape.value(p) for p in (*inputs, None)[:2])
        assert x is not None
        axes = normal_axes(op.over, x.rank)
        count = product(x.shape[axis] for axis in axes)
        if isinstance(op, Variance):
            mean = x.apply(Mean(op.over, op.keepdims))
            return Statistic(port, Kind.VARIANCE, count, mean.ref, op.correction)
        if where is None:
            return Statistic(port, Kind.MEAN, count)
        aligned = where.reshape([*[1] * (x.rank - where.rank), *where.shape]).cast(DType.F64)
        return Statistic(port, Kind.MEAN, aligned.expand(x.shape).sum(axes, keepdims=op.keepdims).ref)
