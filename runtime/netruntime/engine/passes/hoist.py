"""A rule that moves work out of scans: what a cell does alike at every step, and products of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.graph import GraphTape, Node, Port, program_graph, program_of, trace, values_at
from netdsl.ops.contract.value import Value, emitted
from netdsl.ops.sequence.scan import Scan


def hoist_invariants(tape: GraphTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """The outputs of a scan with less to do at every step; None for another operator or where a state grows.

    Operators on held values alone run once, in front of the scan. So do products of a sequence with a held
    matrix, which take all steps at once.
    """
    scan = node.op
    if not isinstance(scan, Scan) or any(scan.grows):
        return None
    return _HoistInvariants(tape, scan, node, inputs).outputs()


class _HoistInvariants:
    """Splits a cell into what runs before the loop and what runs in it."""

    def __init__(self, tape: GraphTape, scan: Scan, node: Node, inputs: Sequence[Value | None]) -> None:
        self.tape = tape
        self.scan = scan
        self.node = node
        self.outer = scan.split_inputs(inputs)
        self.cell, self.results = program_graph(scan.program, "", node.span)
        self.inner = scan.split_cell([(n, 0) for n in range(len(scan.program.inputs))])
        self.sequences: dict[Port, Value] = values_at(self.inner.sequences, self.outer.sequences)
        """Values outside whose steps are values of the cell."""
        self.held: dict[Port, Value] = values_at(self.inner.held, self.outer.held)
        """Values outside that are values of the cell at every step."""

    def outputs(self) -> list[Value]:
        """Hoist what can be, and add the scan of what is left."""
        for number in range(len(self.scan.program.inputs), len(self.cell)):
            self._hoist(number)
        states = list(self.inner.states)
        known = self.sequences.keys() | self.held.keys() | set(states)
        used = trace(self.cell, self.results, known.__contains__).given
        sequences = [port for port in self.sequences if port in used] or list(self.inner.sequences[:1])
        held = [port for port in self.held if port in used]
        program = program_of(self.cell, [*sequences, *states, *held], self.results)
        scan = replace(self.scan, program=program, sequences=len(sequences))
        inputs = [
            *(self.sequences[port] for port in sequences),
            self.outer.length,
            *self.outer.states,
            *(self.held[port] for port in held),
        ]
        ports = [None if value is None else value.ref for value in inputs]
        number = self.tape.graph.add(self.node.with_op(scan, self.node.types), ports)
        return [self.tape.value((number, n)) for n in range(len(self.node.types))]

    def _hoist(self, number: int) -> None:
        """Run a node of the cell in front of the scan, if it can."""
        ports = self.cell.inputs_of(number)
        if self._is_invariant(number, ports):
            outside = self.held
        elif self._is_product_of_sequence(number, ports):
            outside = self.sequences
        else:
            return
        known = self.sequences | self.held
        inputs = [None if port is None else known[port] for port in ports]
        values = emitted(self.tape, self.cell.node(number).op, inputs)
        outside.update({(number, n): value for n, value in enumerate(values)})

    def _is_invariant(self, number: int, ports: Sequence[Port | None]) -> bool:
        """Whether the node gives the same at every step, from held values alone."""
        is_held = all(port is None or port in self.held for port in ports)
        return is_held and not self.cell.node(number).op.is_random

    def _is_product_of_sequence(self, number: int, ports: Sequence[Port | None]) -> bool:
        """Whether the node multiplies rows `[B, I]` of a sequence with a held matrix."""
        if not self.cell.node(number).op.is_weight_product or ports[0] not in self.sequences:
            return False
        weights = [port for port in ports[1:] if port is not None]
        ranks = [self.cell.type_of(port).rank for port in (ports[0], weights[0])]
        return ranks == [2, 2] and all(port in self.held for port in weights)
