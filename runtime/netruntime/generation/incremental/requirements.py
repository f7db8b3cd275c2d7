"""Which values are needed at which positions, from the outputs backwards, and which are cached.

A value that depends on the tokens and is needed at all positions is computed at the new ones and cached. A
value that does not depend on time at all, such as an encoder's output, is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netdsl.graph import Graph, Port
from netdsl.model import Input
from netdsl.ops.contract.base import LeftContext, Op
from netdsl.ops.contract.time import Positions, TimeAxis, TimeSlice, UnsupportedError
from netdsl.ops.create.create import Constant
from netdsl.ops.index.gather import Gather
from netdsl.ops.sequence.scan import Scan
from netdsl.types import TensorType

Needs = dict[int, TimeSlice]
"""The positions at which an operator needs each of its inputs, by slot."""

SCAN: TimeSlice = (None,)
"""A scan is computed once, whatever positions its outputs are needed at."""


@dataclass
class Requirements:
    """The requirements. `needs` lists, for each node and its positions, those of its inputs."""

    graph: Graph
    time: TimeAxis
    lengths: frozenset[str]
    needs: dict[int, dict[TimeSlice, Needs]] = field(default_factory=dict)
    caches: dict[Port, int] = field(default_factory=dict)
    """The time axis of each value that is cached."""
    fixed: dict[Port, None] = field(default_factory=dict)
    """The values that do not depend on time, in order."""

    def __post_init__(self) -> None:
        self.time_dependent, self.token_dependent = _dependence(self.graph, self.time)

    def collect(self, outputs: Sequence[Port]) -> None:
        """Collect what the outputs need at the new positions. Raises `UnsupportedError`."""
        for port in outputs:
            if port[0] not in self.token_dependent:
                raise UnsupportedError("the output does not depend on the tokens", port[0])
            self._require(port, self.time.all_new(self.type_of(port)))
        for node in sorted(self.time_dependent, reverse=True):
            for positions, needs in self.needs.get(node, {}).items():
                try:
                    needs.update(self._inputs(node, positions))
                    for slot, port in ports_of(self.graph, node).items():
                        if slot in needs:
                            self._require(port, needs[slot])
                except UnsupportedError as reason:
                    raise UnsupportedError(reason.reason, node) from None

    def type_of(self, port: Port) -> TensorType:
        return self.graph.type_of(port)

    def slice_of(self, port: Port, positions: TimeSlice) -> TimeSlice:
        """The positions at which a node is computed so that its value is available at `positions`."""
        if isinstance(self.graph.node(port[0]).op, Scan):
            return SCAN
        return (
            self.time.all_new(self.type_of(port))
            if port in self.caches and Positions.NEW not in positions
            else positions
        )

    def _require(self, port: Port, positions: TimeSlice) -> None:
        if port[0] not in self.time_dependent:
            self.fixed[port] = None
            return
        type_ = self.type_of(port)
        axes = self.time.axes(type_)
        if any(
            positions[axis] is Positions.ALL and not self.time.is_axis(type_.shape[axis]) for axis in axes
        ):
            raise UnsupportedError(f"all positions are needed of {type_}", port[0])
        if port[0] in self.token_dependent:
            if len(axes) > 1 and [positions[axis] for axis in axes].count(Positions.NEW) != 1:
                raise UnsupportedError("a value of two positions is needed for all pairs", port[0])
            if len(axes) == 1 and positions[axes[0]] is Positions.ALL:
                self.caches[port] = axes[0]
        self.needs.setdefault(port[0], {}).setdefault(self.slice_of(port, positions), {})

    def _inputs(self, node: int, positions: TimeSlice) -> Needs:
        """The positions at which an operator needs its inputs, to compute its output at `positions`."""
        op: Op = self.graph.node(node).op
        ports = ports_of(self.graph, node)
        if isinstance(op, Scan):
            return self._scan_inputs(op, ports)
        if op.is_random:
            raise UnsupportedError("it draws random numbers for the full sequence")
        types = self.graph.input_types(node)
        op.check_time_axes(types, self.time)
        context = op.left_context(types, self.time)
        if context is not None and positions[context.axis] is Positions.NEW:
            return self._context_inputs(context, ports)
        y = self.graph.type_of((node, 0))
        axis_map = op.axis_map(types, y)
        carried = {op.running_sum_axis(y)}
        mixed = {axis for axis in axis_map.mixed - carried if not op.slides_along(types, axis)}
        _check_mixed(mixed, positions)
        if self._takes_last(op, ports):
            return {slot: self.time.all_new(self.type_of(port)) for slot, port in ports.items()}
        return {
            slot: self._input_slice(port, axis_map.inputs[slot], positions) for slot, port in ports.items()
        }

    def _input_slice(self, port: Port, map_: Sequence[int | None], positions: TimeSlice) -> TimeSlice:
        parts: list[Positions | None] = []
        folds = False
        for size, along in zip(self.type_of(port).shape, map_, strict=True):
            if not self.time.is_extended(size):
                parts.append(None)
                continue
            there = None if along is None else positions[along]
            folds = folds or there is None
            parts.append(there or Positions.ALL)
        if folds and Positions.NEW not in positions:
            raise UnsupportedError("it reduces all positions to one value")
        return tuple(parts)

    def _context_inputs(self, context: LeftContext, ports: dict[int, Port]) -> Needs:
        if context.start is not None and ports[context.start][0] in self.time_dependent:
            raise UnsupportedError("the left context of the first position depends on time")
        return {slot: self.time.all_new(self.type_of(port)) for slot, port in ports.items()}

    def _takes_last(self, op: Op, ports: dict[int, Port]) -> bool:
        """Whether it is `x[:, -1]` along the time axis: the last of all positions is the last new one."""
        if not isinstance(op, Gather) or ports[1][0] in self.time_dependent:
            return False
        source = self.graph.node(ports[1][0]).op
        last = isinstance(source, Constant) and source.value == -1
        return last and self.time.axes(self.type_of(ports[0])) == (op.axis % self.type_of(ports[0]).rank,)

    def _scan_inputs(self, scan: Scan, ports: dict[int, Port]) -> Needs:
        if scan.reverse:
            raise UnsupportedError("a scan in reverse starts from the last position")
        if any(step.op.is_random and not isinstance(step.op, Scan) for step in scan.program.steps):
            raise UnsupportedError("it draws random numbers for the full sequence")
        if scan.sums or scan.kept or scan.depends_on(self.time.name):
            raise UnsupportedError("the cell depends on the number of positions")
        needs: Needs = {}
        for slot, port in ports.items():
            type_ = self.type_of(port)
            if slot < scan.sequences:
                if self.time.axes(type_) != (1,) or not self.time.is_axis(type_.shape[1]):
                    raise UnsupportedError("a scan over something else depends on time")
                needs[slot] = self.time.all_new(type_)
            elif slot == scan.sequences:
                self._check_length(port)
            elif port[0] in self.time_dependent:
                raise UnsupportedError("the initial state or a constant of the cell depends on time")
            else:
                needs[slot] = (None,) * type_.rank
        return needs

    def _check_length(self, port: Port) -> None:
        op = self.graph.node(port[0]).op
        if not (isinstance(op, Input) and op.slot in self.lengths):
            raise UnsupportedError("the lengths of a scan are computed")


def ports_of(graph: Graph, node: int) -> dict[int, Port]:
    """The inputs of a node by slot, in order, without those left out."""
    return {slot: port for slot, port in enumerate(graph.inputs_of(node)) if port is not None}


def _dependence(graph: Graph, time: TimeAxis) -> tuple[set[int], set[int]]:
    """The nodes that depend on time, and those among them that depend on inputs over time."""
    time_dependent, token_dependent = set[int](), set[int]()
    for node in sorted(graph):
        data = graph.node(node)
        before = set(graph.predecessors(node))
        over_time = any(time.name in size.symbols for type_ in data.types for size in type_.shape)
        if over_time or before & time_dependent or data.op.depends_on(time.name):
            time_dependent.add(node)
        if before & token_dependent or (over_time and isinstance(data.op, Input)):
            token_dependent.add(node)
    return time_dependent, token_dependent


def _check_mixed(mixed: Iterable[int], positions: TimeSlice) -> None:
    for axis in mixed:
        if positions[axis] is Positions.NEW or (
            positions[axis] is Positions.ALL and Positions.NEW not in positions
        ):
            raise UnsupportedError("its positions depend on one another")
