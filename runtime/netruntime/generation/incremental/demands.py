"""What is needed of each value, from the outputs backwards: which values, in which forms, from which caches.

A value of tokens that is needed at all positions is computed at the new ones and kept in a cache. What does
not depend on time at all, such as an encoder's output, is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netdsl.graph import Graph, Port
from netdsl.model import Input
from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.positions import Alibi
from netdsl.ops.contract.base import Op
from netdsl.ops.create.create import Constant
from netdsl.ops.index.gather import Gather
from netdsl.ops.reduce.reduce_axis import CumSum
from netdsl.ops.sequence.scan import Scan
from netdsl.types import TensorType
from netruntime.generation.incremental.forms import Form, Part, Time, UnsupportedError
from netruntime.generation.incremental.links import links
from netruntime.generation.incremental.windows import Front, front_of, slides

Needs = dict[int, Form]
"""The form in which an operator needs each of its inputs, by slot."""

SCAN: Form = (None,)
"""The one form of a scan, whose outputs have several."""


@dataclass
class Demands:
    """What is needed. `needs` says for each node, and each form of it, in which forms its inputs are."""

    graph: Graph
    time: Time
    lengths: frozenset[str]
    needs: dict[int, dict[Form, Needs]] = field(default_factory=dict)
    caches: dict[Port, int] = field(default_factory=dict)
    """The axis of time of each value that is kept at all positions."""
    fixed: dict[Port, None] = field(default_factory=dict)
    """The values without time, in order."""

    def __post_init__(self) -> None:
        self.moving, self.of_tokens = _dependence(self.graph, self.time)

    def collect(self, wanted: Sequence[Port]) -> None:
        """Find out all that the wanted values need at the new positions. Raises `UnsupportedError`."""
        for port in wanted:
            if port[0] not in self.of_tokens:
                raise UnsupportedError("the output does not depend on the tokens", port[0])
            self._demand(port, self.time.all_new(self.type_of(port)))
        for node in sorted(self.moving, reverse=True):
            for form, needs in self.needs.get(node, {}).items():
                try:
                    needs.update(self._inputs(node, form))
                    for slot, port in ports_of(self.graph, node).items():
                        if slot in needs:
                            self._demand(port, needs[slot])
                except UnsupportedError as reason:
                    raise UnsupportedError(reason.reason, node) from None

    def type_of(self, port: Port) -> TensorType:
        return self.graph.type_of(port)

    def form_of(self, port: Port, form: Form) -> Form:
        """The form in which a node is computed for a value to be had in `form`."""
        if isinstance(self.graph.node(port[0]).op, Scan):
            return SCAN
        return self.time.all_new(self.type_of(port)) if port in self.caches and Part.NEW not in form else form

    def _demand(self, port: Port, form: Form) -> None:
        if port[0] not in self.moving:
            self.fixed[port] = None
            return
        type_ = self.type_of(port)
        axes = self.time.axes(type_)
        if any(form[axis] is Part.ALL and not self.time.is_axis(type_.shape[axis]) for axis in axes):
            raise UnsupportedError(f"all positions are needed of {type_}", port[0])
        if port[0] in self.of_tokens:
            if len(axes) > 1 and [form[axis] for axis in axes].count(Part.NEW) != 1:
                raise UnsupportedError("a value of two positions is needed for all pairs", port[0])
            if len(axes) == 1 and form[axes[0]] is Part.ALL:
                self.caches[port] = axes[0]
        self.needs.setdefault(port[0], {}).setdefault(self.form_of(port, form), {})

    def _inputs(self, node: int, form: Form) -> Needs:
        """In which forms an operator needs its inputs, to give its output in `form`."""
        op: Op = self.graph.node(node).op
        ports = ports_of(self.graph, node)
        if isinstance(op, Scan):
            return self._scan_inputs(op, ports)
        if op.is_random:
            raise UnsupportedError("it is drawn anew for each sequence")
        types = self.graph.input_types(node)
        _check_aligned(op, types, self.time)
        front = front_of(op, types, self.time)
        if front is not None and form[front.axis] is Part.NEW:
            return self._front_inputs(front, ports)
        y = self.graph.type_of((node, 0))
        found = links(op, types, y)
        if isinstance(op, CumSum):
            self._check_sums(op, form, y)
        else:
            mixed = {axis for axis in found.mixed if form[axis] and not slides(op, types, axis)}
            _check_mixed(mixed, form)
        if self._takes_last(op, ports):
            return {slot: self.time.all_new(self.type_of(port)) for slot, port in ports.items()}
        return {slot: self._input_form(port, found.inputs[slot], form) for slot, port in ports.items()}

    def _input_form(self, port: Port, map_: Sequence[int | None], form: Form) -> Form:
        parts: list[Part | None] = []
        for axis, size in enumerate(self.type_of(port).shape):
            along = map_[axis]
            if not self.time.is_window(size):
                parts.append(None)
            elif along is None:
                parts.append(Part.ALL)
            else:
                parts.append(form[along])
        folds = any(part is Part.ALL and map_[axis] is None for axis, part in enumerate(parts))
        if folds and Part.NEW not in form:
            raise UnsupportedError("it folds all positions into one value")
        return tuple(parts)

    def _front_inputs(self, front: Front, ports: dict[int, Port]) -> Needs:
        if front.start is not None and ports[front.start][0] in self.moving:
            raise UnsupportedError("what stands before the first position depends on time")
        return {slot: self.time.all_new(self.type_of(port)) for slot, port in ports.items()}

    def _check_sums(self, op: CumSum, form: Form, y: TensorType) -> None:
        if form[op.axis] is not None and (op.reverse or not self.time.is_axis(y.shape[op.axis])):
            raise UnsupportedError("it runs over time from the end")

    def _takes_last(self, op: Op, ports: dict[int, Port]) -> bool:
        """Whether it is `x[:, -1]` of an axis of time: the last of all positions is the last new one."""
        if not isinstance(op, Gather) or ports[1][0] in self.moving:
            return False
        source = self.graph.node(ports[1][0]).op
        last = isinstance(source, Constant) and source.value == -1
        return last and self.time.axes(self.type_of(ports[0])) == (op.axis % self.type_of(ports[0]).rank,)

    def _scan_inputs(self, scan: Scan, ports: dict[int, Port]) -> Needs:
        if scan.reverse:
            raise UnsupportedError("a scan in reverse starts from the last position")
        if any(step.op.is_random and not isinstance(step.op, Scan) for step in scan.program.steps):
            raise UnsupportedError("it is drawn anew for each sequence")
        if scan.sums or scan.kept or self.time.in_attributes(scan):
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
            elif port[0] in self.moving:
                raise UnsupportedError("what the cell starts from or holds depends on time")
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


def _dependence(graph: Graph, time: Time) -> tuple[set[int], set[int]]:
    """The nodes that depend on time, and those of them that depend on what is given over time."""
    moving, of_tokens = set[int](), set[int]()
    for node in sorted(graph):
        data = graph.node(node)
        before = set(graph.predecessors(node))
        over_time = any(time.name in size.symbols for type_ in data.types for size in type_.shape)
        if over_time or before & moving or time.in_attributes(data.op):
            moving.add(node)
        if before & of_tokens or (over_time and isinstance(data.op, Input)):
            of_tokens.add(node)
    return moving, of_tokens


def _check_mixed(mixed: Iterable[int], form: Form) -> None:
    for axis in mixed:
        if form[axis] is Part.NEW or (form[axis] is Part.ALL and Part.NEW not in form):
            raise UnsupportedError("its positions look at one another")


def _check_aligned(op: Op, types: Sequence[TensorType | None], time: Time) -> None:
    """Refuse operators that count queries back from the last key where only one of the two is time."""
    if isinstance(op, Attention) and op.causal:
        queries, keys = types[0], types[1]
        pair = (queries, 2), (keys, 2)
    elif isinstance(op, Alibi):
        pair = (types[0], 2), (types[0], 3)
    else:
        return
    along = {bool(x and time.is_axis(x.shape[axis])) for x, axis in pair}
    if len(along) > 1:
        raise UnsupportedError("only its queries, or only its keys, are positions in time")
