"""From the graph of a model over whole sequences to one over a chunk of new positions and what is kept.

The new graph is a graph like any other. Its inputs are those of the model at the new positions; the fixed
values, which do not depend on time; the caches, which hold values at all positions; and the carried values,
such as the last states of a scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netdsl.dims import dim
from netdsl.graph import Graph, Node, Port
from netdsl.model import Input, Parameter
from netdsl.ops.attention.positions import Rotary
from netdsl.ops.contract.base import Array, Module, Op, OpError
from netdsl.ops.create.create import Range
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.ops.reduce.reduce import Sum
from netdsl.ops.reduce.reduce_axis import CumSum
from netdsl.ops.sequence.scan import Scan
from netdsl.ops.shape.join import Concat
from netdsl.ops.shape.rearrange import Transpose
from netdsl.ops.shape.reshape import Reshape, Squeeze, Unsqueeze
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType
from netruntime.generation.incremental.demands import Demands, ports_of
from netruntime.generation.incremental.forms import Form, Part, Time, UnsupportedError
from netruntime.generation.incremental.links import links
from netruntime.generation.incremental.placing import placed
from netruntime.generation.incremental.windows import Front, front_of

_VIEWS = (Transpose, Reshape, Slice, Squeeze, Unsqueeze)
"""Operators that only look at a weight in another way: their results are not kept."""


@dataclass(frozen=True)
class Append(Op):
    """Writes the new positions behind the past ones, in place: `room` is a cache that ends in free places."""

    axis: int

    name = "append"
    inputs = ("room", "new")

    def shape(self, room: TensorType, new: TensorType) -> TensorType:
        return room

    def forward(self, xp: Module, room: Array, new: Array) -> Array:
        count = new.shape[self.axis]
        room[(slice(None),) * self.axis + (slice(room.shape[self.axis] - count, None),)] = new
        return room


@dataclass(frozen=True)
class Cache:
    """A value that is kept at all positions: the input it comes in by, its type, and its axis of time."""

    name: str
    type: TensorType
    axis: int


@dataclass(frozen=True)
class Carry:
    """A value that one chunk hands to the next.

    It comes in by the input `name`, and its next value is `port` of the new graph. It starts as `start` of
    the model's graph, or as zeros.
    """

    name: str
    type: TensorType
    port: Port
    start: Port | None


@dataclass(frozen=True)
class Incremental:
    """A model over chunks: its graph, its outputs there, and what is kept between chunks.

    `fixed` maps inputs of this graph to ports of the model's graph, which are computed once.
    """

    graph: Graph
    time: Time
    outputs: Mapping[str, Port]
    fixed: Mapping[str, Port]
    caches: tuple[Cache, ...]
    carries: tuple[Carry, ...]


def make_incremental(
    graph: Graph, time: str, outputs: Sequence[str], lengths: frozenset[str] = frozenset()
) -> Incremental:
    """The model as one over chunks of positions.

    Args:
        time: The symbol of the number of positions.
        outputs: The outputs that are wanted.
        lengths: Inputs that hold the number of positions of each sequence: all of them are valid.

    Raises:
        UnsupportedError: where the model cannot be computed from new positions and what is kept of past ones.
    """
    demands = Demands(graph, Time(time), lengths)
    nodes = {name: graph.interface.outputs[name] for name in outputs}
    demands.collect([(node, 0) for node in nodes.values()])
    building = _Building(demands)
    for port in demands.fixed:
        building.place_fixed(port)
    for node in sorted(demands.moving):
        for form in demands.needs.get(node, ()):
            building.place(node, form)
    found = {name: building.port((node, 0), building.new_form((node, 0))) for name, node in nodes.items()}
    return Incremental(
        building.graph,
        demands.time,
        found,
        building.fixed,
        tuple(building.caches),
        tuple(building.carries),
    )


@dataclass
class _Building:
    demands: Demands
    graph: Graph = field(default_factory=Graph)
    fixed: dict[str, Port] = field(default_factory=dict)
    caches: list[Cache] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    placed: dict[tuple[Port, Form], Port] = field(default_factory=dict)
    kept: dict[Port, Port] = field(default_factory=dict)
    """Where fixed values, and values at all positions, stand in the new graph."""

    # -- values ------------------------------------------------------------------------------------

    def new_form(self, port: Port) -> Form:
        return self.demands.time.all_new(self.demands.type_of(port))

    def port(self, port: Port, form: Form) -> Port:
        """Where a value of the model stands in the new graph, in that form."""
        cached = port in self.demands.caches and Part.ALL in form and Part.NEW not in form
        if cached or port[0] not in self.demands.moving:
            return self.kept[port]
        return self.placed[port, form]

    def place_fixed(self, port: Port) -> Port:
        """Put a value without time into the new graph: a weight, a view of one, or an input."""
        if port in self.kept:
            return self.kept[port]
        data = self.demands.graph.node(port[0])
        if isinstance(data.op, Parameter):
            self.kept[port] = (self.add(data.op, (), data, data.types), 0)
        elif isinstance(data.op, _VIEWS) and self._is_of_weights(port[0]):
            source = self.place_fixed(ports_of(self.demands.graph, port[0])[0])
            self.kept[port] = (self.add(data.op, (source,), data), port[1])
        else:
            name = f"fixed {len(self.fixed)}"
            self.fixed[name] = port
            self.kept[port] = self.add_input(name, data.types[port[1]], data)
        return self.kept[port]

    def _is_of_weights(self, node: int) -> bool:
        op = self.demands.graph.node(node).op
        before = self.demands.graph.predecessors(node)
        return isinstance(op, Parameter) or (
            isinstance(op, _VIEWS) and all(self._is_of_weights(other) for other in before)
        )

    # -- operators ---------------------------------------------------------------------------------

    def place(self, node: int, form: Form) -> None:
        """Put a node of the model into the new graph, in one of the forms that are needed of it."""
        data = self.demands.graph.node(node)
        needs = self.demands.needs[node][form]
        inputs = [
            None if port is None or slot not in needs else self.port(port, needs[slot])
            for slot, port in enumerate(self.demands.graph.inputs_of(node))
        ]
        try:
            self._place(node, form, data, inputs)
        except UnsupportedError as reason:
            raise UnsupportedError(reason.reason, node) from None
        except OpError as wrong:
            raise UnsupportedError(f"`{data.op.name}` {wrong.message}", node) from None

    def _place(self, node: int, form: Form, data: Node, inputs: list[Port | None]) -> None:
        op = data.op
        if isinstance(op, Scan):
            self._place_scan(node, op, data, inputs)
            return
        front = front_of(op, self.demands.graph.input_types(node), self.demands.time)
        if front is not None and form[front.axis] is Part.NEW:
            found = self._place_front(front, node, data, inputs)
        elif isinstance(op, Input):
            found = self.add_input(op.slot, data.types[0], data)
        elif isinstance(op, CumSum) and form[op.axis] is Part.NEW:
            found = self._place_sums(op, data, inputs)
        else:
            if isinstance(op, Rotary):
                inputs = self._with_positions(form, data, inputs)
            first = links(op, self.demands.graph.input_types(node), data.types[0]).inputs[:1]
            here = placed(op, self.demands.time, data.types[0], form, first[0] if first else ())
            found = (self.add(here, inputs, data), 0)
        for output in range(len(data.types)):
            self._record((node, output), form, (found[0], output))

    def _record(self, port: Port, form: Form, found: Port) -> None:
        """Remember where a value stands; one that is kept at all positions goes into its cache."""
        self.placed[port, form] = found
        axis = self.demands.caches.get(port)
        if axis is None or form != self.new_form(port):
            return
        data = self.demands.graph.node(port[0])
        whole = list(self.type_of(found).shape)
        whole[axis] = self.demands.time.all
        cache = Cache(f"cache {len(self.caches)}", self.type_of(found).with_shape(whole), axis)
        self.caches.append(cache)
        room = self.add_input(cache.name, cache.type, data)
        self.kept[port] = (self.add(Append(axis), (room, found), data), 0)

    def _place_scan(self, node: int, scan: Scan, data: Node, inputs: list[Port | None]) -> None:
        starts = ports_of(self.demands.graph, node)
        first = scan.sequences + 1
        for slot in range(first, first + scan.states):
            type_ = self._carried_type(scan, slot - first, self.demands.type_of(starts[slot]))
            inputs[slot] = self.add_input(f"carry {len(self.carries) + slot - first}", type_, data)
        placed_node = self.add(scan, inputs, data)
        outputs = len(data.types) - scan.states
        for n in range(scan.states):
            name = f"carry {len(self.carries)}"
            type_ = self._carried_type(scan, n, self.demands.type_of(starts[first + n]))
            self.carries.append(Carry(name, type_, (placed_node, outputs + n), starts[first + n]))
        for output, type_ in enumerate(data.types):
            grows = output >= outputs and bool(scan.grows) and scan.grows[output - outputs] is not None
            if not grows:
                self._record((node, output), self.demands.time.all_new(type_), (placed_node, output))

    def _carried_type(self, scan: Scan, state: int, start: TensorType) -> TensorType:
        growth = scan.grows[state] if scan.grows else None
        if growth is None:
            return start
        shape = list(start.shape)
        shape[growth.axis] = shape[growth.axis] + self.demands.time.past * growth.amount
        return start.with_shape(shape)

    def _place_sums(self, op: CumSum, data: Node, inputs: list[Port | None]) -> Port:
        """Running sums over time: those of the chunk, and the total of the past."""
        y = data.types[0]
        axis = op.axis % y.rank
        one = y.with_shape([*y.shape[:axis], 1, *y.shape[axis + 1 :]])
        name = f"carry {len(self.carries)}"
        before = self.add_input(name, one, data)
        total = (self.add(Sum((axis,), keepdims=True), inputs, data), 0)
        after = (self.add(Add(), (before, total), data), 0)
        self.carries.append(Carry(name, one, after, None))
        sums = (self.add(op, inputs, data), 0)
        return self.add(Add(), (sums, before), data), 0

    def _place_front(self, front: Front, node: int, data: Node, inputs: list[Port | None]) -> Port:
        """The positions that came last, in front of the new ones, and what the operator does to them all."""
        new = inputs[front.slot]
        assert new is not None
        shape = list(self.type_of(new).shape)
        shape[front.axis] = dim(front.count)
        name = f"carry {len(self.carries)}"
        type_ = self.type_of(new).with_shape(shape)
        window = (self.add(Concat(front.axis), (self.add_input(name, type_, data), new), data), 0)
        last = (self.add(Slice(front.axis, dim(-front.count)), (window,), data), 0)
        start = None if front.start is None else ports_of(self.demands.graph, node)[front.start]
        self.carries.append(Carry(name, type_, last, start))
        if front.rest is None:
            return window
        return self.add(front.rest, (window, *inputs[1:]), data), 0

    def _with_positions(self, form: Form, data: Node, inputs: list[Port | None]) -> list[Port | None]:
        """The inputs of a rotary embedding that counts positions itself: the new ones come after the past."""
        if form[2] is not Part.NEW or len(inputs) > 1:
            return inputs
        time = self.demands.time
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
        """A node with the label, the span and the calls of one of the model's."""
        if types is None:
            found = op.shape(*(None if port is None else self.type_of(port) for port in inputs))
            types = found if isinstance(found, tuple) else (found,)
        return self.graph.add(data.with_op(op, types), inputs)
