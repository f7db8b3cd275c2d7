"""From the graph of a model over full sequences to one over a chunk of new positions, with caches.

The new graph is a graph like any other. Its inputs are those of the model at the new positions; the fixed
values, which do not depend on time; the caches, KV caches among them, which hold values at all positions;
and the carried states, such as the last states of a scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netdsl.dims import dim
from netdsl.graph import Graph, Node, Port
from netdsl.immutable import immutable
from netdsl.model import Input, Parameter
from netdsl.ops.contract.base import Array, LeftContext, Module, Op, OpError
from netdsl.ops.contract.time import Positions, TimeAxis, TimeSlice, UnsupportedError
from netdsl.ops.create.create import Range
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.ops.reduce.reduce import Sum
from netdsl.ops.sequence.scan import Scan
from netdsl.ops.shape.join import Concat
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType
from netruntime.generation.incremental.requirements import Requirements, ports_of


@immutable
class Append(Op):
    """Writes the new positions after the past ones, in place: `room` is a cache that ends in free slots."""

    axis: int

    category = "plain"
    name = "append"
    inputs = ("room", "new")

    def shape(self, room: TensorType, new: TensorType) -> TensorType:
        return room

    def forward(self, xp: Module, room: Array, new: Array) -> Array:
        count = new.shape[self.axis]
        room[(slice(None),) * self.axis + (slice(room.shape[self.axis] - count, None),)] = new
        return room


@immutable
class Cache:
    """A cached value: the input of the new graph that holds it, its type and time axis, and its label.

    A packed cache has `per_item` positions at each place of its axis, and its input holds all that there is
    room for; else it is 0, and the input holds the filled positions.
    """

    name: str
    type: TensorType
    axis: int
    label: str
    per_item: int = 0


@immutable
class CarriedState:
    """A value that one chunk passes to the next.

    The input `name` holds it, and `port` of the new graph is its next value. It starts as `start` of the
    model's graph, or as zeros.
    """

    name: str
    type: TensorType
    port: Port
    start: Port | None


@immutable
class Incremental:
    """A model over chunks: its graph, its outputs there, and what it keeps between chunks.

    `fixed` maps inputs of this graph to ports of the model's graph, which are computed once.
    """

    graph: Graph
    time: TimeAxis
    outputs: Mapping[str, Port]
    fixed: Mapping[str, Port]
    caches: tuple[Cache, ...]
    carries: tuple[CarriedState, ...]


def make_incremental(
    graph: Graph, time: str, outputs: Sequence[str], lengths: frozenset[str] = frozenset()
) -> Incremental:
    """Build the incremental positions of a model, which runs over chunks of positions.

    Args:
        time: The symbol of the number of positions.
        outputs: The outputs to compute.
        lengths: Inputs that hold the number of positions of each sequence: all of them are valid.

    Raises:
        UnsupportedError: where the model cannot be computed from new positions and caches.
    """
    requirements = Requirements(graph, TimeAxis(time), lengths)
    nodes = {name: graph.interface.outputs[name] for name in outputs}
    requirements.collect([(node, 0) for node in nodes.values()])
    builder = _Builder(requirements)
    for port in requirements.fixed:
        builder.add_fixed(port)
    for node in sorted(requirements.time_dependent):
        for positions in requirements.needs.get(node, ()):
            builder.compute(node, positions)
    outputs_there = {
        name: builder.port((node, 0), builder.new_slice((node, 0))) for name, node in nodes.items()
    }
    return Incremental(
        builder.graph,
        requirements.time,
        outputs_there,
        builder.fixed,
        tuple(builder.caches),
        tuple(builder.carries),
    )


@dataclass
class _Builder:
    requirements: Requirements
    graph: Graph = field(default_factory=Graph)
    fixed: dict[str, Port] = field(default_factory=dict)
    caches: list[Cache] = field(default_factory=list)
    carries: list[CarriedState] = field(default_factory=list)
    computed: dict[tuple[Port, TimeSlice], Port] = field(default_factory=dict)
    resident: dict[Port, Port] = field(default_factory=dict)
    """The ports of fixed values, and of values at all positions, in the new graph."""

    # -- values ------------------------------------------------------------------------------------

    def new_slice(self, port: Port) -> TimeSlice:
        return self.requirements.time.all_new(self.requirements.type_of(port))

    def port(self, port: Port, positions: TimeSlice) -> Port:
        """The port of a value of the model in the new graph, at those positions."""
        cached = (
            port in self.requirements.caches and Positions.ALL in positions and Positions.NEW not in positions
        )
        if cached or port[0] not in self.requirements.time_dependent:
            return self.resident[port]
        return self.computed[port, positions]

    def add_fixed(self, port: Port) -> Port:
        """Add a value that does not depend on time: a weight, a view of one, or an input."""
        if port in self.resident:
            return self.resident[port]
        data = self.requirements.graph.node(port[0])
        if isinstance(data.op, Parameter):
            self.resident[port] = (self.add(data.op, (), data, data.types), 0)
        elif data.op.is_view and self._is_of_weights(port[0]):
            source = self.add_fixed(ports_of(self.requirements.graph, port[0])[0])
            self.resident[port] = (self.add(data.op, (source,), data), port[1])
        else:
            name = f"fixed {len(self.fixed)}"
            self.fixed[name] = port
            self.resident[port] = self.add_input(name, data.types[port[1]], data)
        return self.resident[port]

    def _is_of_weights(self, node: int) -> bool:
        op = self.requirements.graph.node(node).op
        before = self.requirements.graph.predecessors(node)
        return isinstance(op, Parameter) or (
            op.is_view and all(self._is_of_weights(other) for other in before)
        )

    # -- operators ---------------------------------------------------------------------------------

    def compute(self, node: int, positions: TimeSlice) -> None:
        """Add a node of the model, computed at some of the positions that are needed of it."""
        data = self.requirements.graph.node(node)
        needs = self.requirements.needs[node][positions]
        inputs = [
            None if port is None or slot not in needs else self.port(port, needs[slot])
            for slot, port in enumerate(self.requirements.graph.inputs_of(node))
        ]
        try:
            self._compute(node, positions, data, inputs)
        except UnsupportedError as reason:
            raise UnsupportedError(reason.reason, node) from None
        except OpError as wrong:
            raise UnsupportedError(f"`{data.user_name}` {wrong.message}", node) from None

    def _compute(self, node: int, positions: TimeSlice, data: Node, inputs: list[Port | None]) -> None:
        op = data.op
        if isinstance(op, Scan):
            self._add_scan(node, op, data, inputs)
            return
        context = op.left_context(self.requirements.graph.input_types(node), self.requirements.time)
        if context is not None and positions[context.axis] is Positions.NEW:
            port = self._add_left_context(context, node, data, inputs)
        elif isinstance(op, Input):
            port = self.add_input(op.slot, data.types[0], data)
        elif (axis := op.running_sum_axis(data.types[0])) is not None and positions[axis] is Positions.NEW:
            port = self._add_running_sums(axis, data, inputs)
        else:
            inputs = self._with_new_positions(positions, data, inputs)
            first = op.axis_map(self.requirements.graph.input_types(node), data.types[0]).inputs[:1]
            x = first[0] if first else ()
            on_chunk = op.on_chunk(self.requirements.time, data.types[0], positions, x)
            port = (self.add(on_chunk, inputs, data), 0)
        for output in range(len(data.types)):
            self._record((node, output), positions, (port[0], output))

    def _record(self, port: Port, positions: TimeSlice, value: Port) -> None:
        """Remember the port of a value; a cached one is appended to its cache."""
        self.computed[port, positions] = value
        axis = self.requirements.caches.get(port)
        if axis is None or positions != self.new_slice(port):
            return
        data = self.requirements.graph.node(port[0])
        shape = list(self.type_of(value).shape)
        shape[axis] = self.requirements.time.all
        cache = Cache(f"cache {len(self.caches)}", self.type_of(value).with_shape(shape), axis, data.label)
        self.caches.append(cache)
        room = self.add_input(cache.name, cache.type, data)
        self.resident[port] = (self.add(Append(axis), (room, value), data), 0)

    def _add_scan(self, node: int, scan: Scan, data: Node, inputs: list[Port | None]) -> None:
        starts = ports_of(self.requirements.graph, node)
        first = scan.sequences + 1
        for slot in range(first, first + scan.states):
            type_ = self._carried_type(scan, slot - first, self.requirements.type_of(starts[slot]))
            inputs[slot] = self.add_input(f"carry {len(self.carries) + slot - first}", type_, data)
        placed_node = self.add(scan, inputs, data)
        outputs = len(data.types) - scan.states
        for n in range(scan.states):
            name = f"carry {len(self.carries)}"
            type_ = self._carried_type(scan, n, self.requirements.type_of(starts[first + n]))
            self.carries.append(CarriedState(name, type_, (placed_node, outputs + n), starts[first + n]))
        for output, type_ in enumerate(data.types):
            grows = output >= outputs and bool(scan.grows) and scan.grows[output - outputs] is not None
            if not grows:
                self._record((node, output), self.requirements.time.all_new(type_), (placed_node, output))

    def _carried_type(self, scan: Scan, state: int, start: TensorType) -> TensorType:
        growth = scan.grows[state] if scan.grows else None
        if growth is None:
            return start
        shape = list(start.shape)
        shape[growth.axis] = shape[growth.axis] + self.requirements.time.past * growth.amount
        return start.with_shape(shape)

    def _add_running_sums(self, axis: int, data: Node, inputs: list[Port | None]) -> Port:
        """Running sums over time: those of the chunk, plus the total of the past."""
        y = data.types[0]
        one = y.with_shape([*y.shape[:axis], 1, *y.shape[axis + 1 :]])
        name = f"carry {len(self.carries)}"
        before = self.add_input(name, one, data)
        total = (self.add(Sum((axis,), keepdims=True), inputs, data), 0)
        after = (self.add(Add(), (before, total), data), 0)
        self.carries.append(CarriedState(name, one, after, None))
        sums = (self.add(data.op, inputs, data), 0)
        return self.add(Add(), (sums, before), data), 0

    def _add_left_context(
        self, context: LeftContext, node: int, data: Node, inputs: list[Port | None]
    ) -> Port:
        """The last positions before the new ones, joined to them, and what the operator does to these."""
        new = inputs[context.slot]
        assert new is not None
        shape = list(self.type_of(new).shape)
        shape[context.axis] = dim(context.count)
        name = f"carry {len(self.carries)}"
        type_ = self.type_of(new).with_shape(shape)
        window = (self.add(Concat(context.axis), (self.add_input(name, type_, data), new), data), 0)
        last = (self.add(Slice(context.axis, dim(-context.count)), (window,), data), 0)
        start = None if context.start is None else ports_of(self.requirements.graph, node)[context.start]
        self.carries.append(CarriedState(name, type_, last, start))
        if context.rest is None:
            return window
        return self.add(context.rest, (window, *inputs[1:]), data), 0

    def _with_new_positions(
        self, positions: TimeSlice, data: Node, inputs: list[Port | None]
    ) -> list[Port | None]:
        """The inputs; for an operator that counts positions itself, also the numbers of the new ones."""
        axis = data.op.counts_along
        if axis is None or positions[axis] is not Positions.NEW or len(inputs) == len(data.op.inputs):
            return inputs
        time = self.requirements.time
        return [*inputs, (self.add(Range(time.all, time.past), (), data), 0)]

    # -- nodes -------------------------------------------------------------------------------------

    def type_of(self, port: Port) -> TensorType:
        return self.graph.type_of(port)

    def add_input(self, name: str, type_: TensorType, data: Node) -> Port:
        return self.add(Input(name), (), data, (type_,)), 0

    def add(
        self,
        op: Op,
        inputs: Sequence[Port | None],
        data: Node,
        types: tuple[TensorType, ...] | None = None,
    ) -> int:
        """Add a node with the label, the span and the calls of one of the model's nodes."""
        if types is None:
            result = op.shape(*(None if port is None else self.type_of(port) for port in inputs))
            types = result if isinstance(result, tuple) else (result,)
        return self.graph.add(data.with_op(op, types), inputs)
