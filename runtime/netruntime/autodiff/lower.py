"""A graph made ready for differentiation: copied, with operators in parts and scans made lean.

Operators that are differentiated in parts (`Op.in_parts`) give way to them. What a scan's cell does alike
at every step, and its products of a whole sequence with one matrix, move out in front of the scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netdsl.graph import Graph, Node, Port
from netdsl.ops.contract.value import Value, emitted
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.sequence.scan import ProgramStep, Scan
from netruntime.autodiff.tape import GraphTape, ProgramTape


@dataclass(frozen=True)
class Lowered:
    """The new graph on its tape, and where each port of the old one went."""

    tape: GraphTape
    moved: dict[Port, Port]


def lower(graph: Graph) -> Lowered:
    """Copy a graph into one whose operators all have gradients of their own, as far as they have any."""
    tape = GraphTape(Graph())
    moved: dict[Port, Port] = {}
    for number, node in graph.operators():
        inputs = [None if port is None else moved[port] for port in graph.inputs_of(number)]
        moved |= {(number, n): port for n, port in enumerate(_add(tape, node, inputs))}
    tape.graph.name = graph.name
    tape.graph.interface = graph.interface.moved(moved)
    return Lowered(tape, moved)


def _add(tape: GraphTape, node: Node, inputs: Sequence[Port | None]) -> list[Port]:
    """The values of a node on a tape, as one node or in parts."""
    tape.origin = node
    op = node.op
    if isinstance(op, Scan):
        op, inputs = _lean(tape, op, inputs)
    else:
        parts = op.in_parts(*(None if port is None else tape.value(port) for port in inputs))
        if parts is not None:
            return [part.ref for part in (parts if isinstance(parts, tuple) else (parts,))]
    number = tape.graph.add(node.with_op(op, node.types), inputs)
    return [(number, n) for n in range(len(node.types))]


# -- scans ---------------------------------------------------------------------------------------


def _lean(tape: GraphTape, scan: Scan, inputs: Sequence[Port | None]) -> tuple[Scan, list[Port | None]]:
    """The scan with less to do at every step, and its inputs; itself where a state grows."""
    if any(scan.grows):
        return scan, list(inputs)
    return _Lean(tape, scan, [*inputs, *[None] * (scan.sequences + 1 - len(inputs))]).result()


class _Lean:
    """Splits a scan's program into what runs before the loop and what runs in it."""

    def __init__(self, tape: GraphTape, scan: Scan, inputs: Sequence[Port | None]) -> None:
        self.tape = tape
        self.scan = scan
        self.inner = ProgramTape(tape.origin.span if tape.origin else scan.program.steps[0].span)
        names = scan.program.inputs
        count, states = scan.sequences, scan.states
        held = count + states
        self.values: list[Value] = [
            self.inner.input(name, n, type_=type_) for n, (name, type_) in enumerate(names)
        ]
        outer = [*inputs[:count], *inputs[count + 1 :]]
        self.before: dict[int, Value] = {
            n: tape.value(port)
            for n, port in enumerate(outer)
            if port is not None and (n < count or n >= held)
        }
        """What the loop need not make: sequences and held values, by their number in the program."""
        self.sequences = set(range(count))
        self.length = inputs[count]
        self.states = range(count, held)
        self.first = list(inputs[count + 1 : count + 1 + states])

    def result(self) -> tuple[Scan, list[Port | None]]:
        for step in self.scan.program.steps:
            self._step(step)
        outputs = [self.values[v] for v in self.scan.program.outputs]
        used = self.inner.used(outputs)
        wanted = [n for n in self.before if self.values[n].ref in used]
        sequences = [n for n in wanted if n in self.sequences] or sorted(self.sequences)[:1]
        held = [n for n in wanted if n not in self.sequences]
        order = [*sequences, *self.states, *held]
        program = self.inner.finish([self.values[n] for n in order], outputs)
        ports = [self.before[n].ref for n in sequences]
        rest = [self.before[n].ref for n in held]
        lean = replace(self.scan, program=program, sequences=len(sequences))
        return lean, [*ports, self.length, *self.first, *rest]

    def _step(self, step: ProgramStep) -> None:
        first = len(self.values)
        if self._alike(step) or self._product_of_sequence(step):
            args = [None if n is None else self.before[n] for n in step.inputs]
            outer = emitted(self.tape, step.op, args)
            for n, (value, type_) in enumerate(zip(outer, step.types, strict=True)):
                self.before[first + n] = value
                self.values.append(self.inner.input(step.label, first + n, type_=type_))
                if step.inputs and step.inputs[0] in self.sequences:
                    self.sequences.add(first + n)
            return
        self.inner.label, self.inner.span = step.label, step.span
        inputs = [None if n is None else self.values[n] for n in step.inputs]
        parts = step.op.in_parts(*inputs)
        if parts is not None:
            self.values += parts if isinstance(parts, tuple) else (parts,)
            return
        refs = self.inner.emit(step.op, inputs, step.types)
        self.values += [Value(self.inner, ref, type_) for ref, type_ in zip(refs, step.types, strict=True)]

    def _alike(self, step: ProgramStep) -> bool:
        """Whether the step gives the same at every time, from held values alone."""
        held = all(n is None or (n in self.before and n not in self.sequences) for n in step.inputs)
        return held and not step.op.is_random

    def _product_of_sequence(self, step: ProgramStep) -> bool:
        """Whether the step multiplies rows `[B, I]` of a sequence with one held matrix."""
        if not isinstance(step.op, (Linear, MatMul)) or step.inputs[0] not in self.sequences:
            return False
        others = [n for n in step.inputs[1:] if n is not None]
        held = all(n in self.before and n not in self.sequences for n in others)
        return held and self.values[step.inputs[0]].rank == 2 and self.values[others[0]].rank == 2
