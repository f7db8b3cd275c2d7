"""A rule that makes one operator of a scan whose cell is an LSTM, a GRU or a plain recurrent cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.dims import dim
from netdsl.graph import Node, Port, program_graph
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Constant
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.sequence.scan import Scan, ScanInputs
from netdsl.ops.shape.join import Concat
from netdsl.ops.shape.slice import Slice
from netdsl.types import DType
from netruntime.engine.passes.cell_kinds import Kind, kind_of
from netruntime.engine.passes.cells import Cell, Part
from netruntime.engine.passes.rewrite import RewriteTape


def fuse_cell(tape: RewriteTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """The outputs of a scan from one operator; None for another operator or an unknown cell.

    The products of its inputs must have left the cell already, see `hoist`.
    """
    scan = node.op
    if not isinstance(scan, Scan) or any(scan.grows) or scan.sums or scan.kept:
        return None
    outer = scan.split_inputs(inputs)
    graph, results = program_graph(scan.program, "", node.span)
    inner = scan.split_cell([(n, 0) for n in range(len(scan.program.inputs))])
    values: dict[Port, Value] = {}
    for ports, given in ((inner.sequences, outer.sequences), (inner.held, outer.held)):
        values |= {port: value for port, value in zip(ports, given, strict=True) if value is not None}
    units = _units(outer)
    if units is None:
        return None
    ones = [port for port in inner.held if _is_one(tape, values[port])]
    cell = Cell(
        graph,
        frozenset(inner.sequences),
        tuple(inner.states),
        frozenset(inner.held),
        frozenset(ones),
        units,
    )
    made = scan.split_outputs(results)
    kind = kind_of(cell, made.states)
    if kind is None or any(port != made.states[kind.order[0]] for port in made.outputs):
        return None
    kind = replace(kind, op=replace(kind.op, reverse=scan.reverse))
    return _Fusion(tape, kind, outer, values, units).outputs(len(made.outputs))


def _units(outer: ScanInputs[Value | None]) -> int | None:
    """The size of the states, if they are matrices `[B, H]` of one fixed size in f32."""
    types = [state.type for state in outer.states if state is not None]
    if not types or any(type_ != types[0] for type_ in types) or len(types) < len(outer.states):
        return None
    is_matrix = types[0].rank == 2 and types[0].dtype is DType.F32 and types[0].shape[1].is_fixed
    return int(types[0].shape[1]) if is_matrix else None


def _is_one(tape: RewriteTape, value: Value) -> bool:
    op = tape.graph.node(value.ref[0]).op
    return isinstance(op, Constant) and value.rank == 0 and float(op.value) == 1.0


class _Fusion:
    """Adds the operator, and what brings its inputs into order."""

    def __init__(
        self,
        tape: RewriteTape,
        kind: Kind,
        outer: ScanInputs[Value | None],
        values: dict[Port, Value],
        units: int,
    ) -> None:
        self.tape, self.kind, self.outer, self.values, self.units = tape, kind, outer, values, units

    def outputs(self, count: int) -> list[Value] | None:
        """The outputs of the scan, the first `count` of which are the states after each step."""
        kind, gates = self.kind, self.kind.gates
        weights = [gate.products or kind.inner.products for gate in gates]
        x = self._total([gate.inputs for gate in gates], -1)
        weight = self._joined([products[0][1] for products in weights], -1)
        if x is None:
            return None
        bias = self._total([gate.vectors for gate in gates], 0)
        x = x if bias is None else self._with_bias(x, bias)
        seen = [[part for _, part in gate.seen] for gate in gates]
        extra = self._total([kind.inner.vectors], 0)
        if any(seen):  # of the gates input, forget and output
            peepholes = self._total([seen[0], seen[1], seen[3]], 0)
            assert peepholes is not None
            extra = peepholes.reshape([3, self.units])
        states = [self.outer.states[n] for n in kind.order]
        more = [weight] if extra is None else [weight, extra]
        y, *last = x.apply_all(kind.op, self.outer.length, *states, *more)
        after = sorted(zip(kind.order, last, strict=True), key=lambda pair: pair[0])
        return [*[y] * count, *(value for _, value in after)]

    def _with_bias(self, x: Value, bias: Value) -> Value:
        """`x + bias`, by the product that `x` is if nothing else reads it."""
        node = self.tape.graph.node(x.ref[0])
        if not isinstance(node.op, Linear | MatMul) or self.tape.uses[x.ref] > 1:
            return x + bias
        a, weight, *before = self.tape.graph.inputs_of(x.ref[0])
        if a is None or weight is None or self.tape.graph.type_of(weight).rank != 2:
            return x + bias
        if before and before[0] is not None:
            bias = self.tape.value(before[0]) + bias
        return self.tape.value(a).apply(Linear(), self.tape.value(weight), bias)

    # -- gates beside each other ------------------------------------------------------------------

    def _total(self, gates: Sequence[Sequence[Part]], axis: int) -> Value | None:
        """The sums of the parts of each gate, beside each other; a gate that has fewer adds zeros."""
        total: Value | None = None
        for n in range(max(map(len, gates))):
            parts = [gate[n] if n < len(gate) else None for gate in gates]
            value = self._joined(parts, axis)
            total = value if total is None else total + value
        return total

    def _joined(self, parts: Sequence[Part | None], axis: int) -> Value:
        """Parts beside each other: the value itself if they are all of it in order, and zeros for None."""
        first = next(part for part in parts if part is not None)
        value = self.values[first.port]
        wanted = [Part(first.port, n * self.units) for n in range(len(parts))]
        if list(parts) == wanted and value.shape[-1] == dim(len(parts) * self.units):
            return value
        columns = [self._columns(part, value) for part in parts]
        return columns[0].apply(Concat(axis), *columns[1:])

    def _columns(self, part: Part | None, like: Value) -> Value:
        if part is None:
            return like.make(Constant(0.0, (*like.shape[:-1], dim(self.units)), like.dtype))
        value = self.values[part.port]
        if value.shape[-1] == dim(self.units):
            return value
        axis = value.rank - 1
        return value.apply(Slice(axis, dim(part.start), dim(part.start + self.units)))
