"""The gradient of a scan: a scan in the other direction (Werbos 1990, backpropagation through time).

The forward scan is made to keep what the formulas look at, step by step. The backward scan carries the
gradients of the states, gives those of the sequences, and sums those of what is held. A product of the
state with a held matrix gets its matrix gradient after the loop, in one product over all steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.diagnostics import error
from netdsl.dims import dim
from netdsl.graph import Port
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Range
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.sequence.scan import Program, ProgramStep, Scan
from netdsl.ops.shape.reshape import Reshape
from netruntime.autodiff.recompute import Recomputed
from netruntime.autodiff.scan_program import BackwardProgram, Grads, Later
from netruntime.autodiff.tape import GraphTape, Key


def scan_gradient(
    tape: GraphTape,
    node: int,
    grads: Grads,
    inputs: Sequence[Port | None],
    wanted: Sequence[bool],
    forward: Recomputed,
) -> list[Value | None]:
    """The gradients of a scan's inputs, None for those not wanted.

    Args:
        node: The scan; it gets further outputs, for what is kept of each step.
        grads: What flows into each of its outputs.
        wanted: For each input, whether its gradient is wanted.

    Raises:
        NetError: E1133 for a scan whose state grows.
    """
    data = tape.graph.node(node)
    scan = data.op
    assert isinstance(scan, Scan)
    if any(scan.grows):
        help = "train with attention over the whole sequence; the growing state is for running"
        message = "a scan whose state grows has no gradient"
        raise error("E1133", message, data.user_span, path=data.label, help=help)
    again = [None if port is None else forward.value(port).ref for port in inputs]
    return _ScanGradient(tape, forward.node(node), grads, again, wanted).results()


class _ScanGradient:
    """Makes the backward scan, and lets the forward scan keep what it needs."""

    def __init__(
        self, tape: GraphTape, node: int, grads: Grads, inputs: Sequence[Port | None], wanted: Sequence[bool]
    ) -> None:
        self.tape = tape
        self.node = node
        scan = tape.graph.node(node).op
        assert isinstance(scan, Scan)
        self.scan = scan
        count = self.scan.sequences
        self.ports = [*inputs[:count], *inputs[count + 1 :]]
        self.grads: tuple[Grads, ...] = self.scan.shares(list(grads))
        self.back = BackwardProgram(
            self.scan,
            tape.graph.node(node).span,
            [*wanted[:count], *wanted[count + 1 :]],
            self._outer,
            grads,
            self._valid(inputs[count]),
        )

    def _outer(self, number: int) -> Value:
        port = self.ports[number]
        assert port is not None
        return self.tape.value(port)

    def _valid(self, length: Port | None) -> Value | None:
        """Which sequences have not ended at each step, `[B, T]`; None where no lengths are given."""
        if length is None:
            return None
        lengths = self.tape.value(length)
        steps = self._outer(0).shape[1]
        times = lengths.make(Range(steps, dtype=lengths.dtype)).reshape([1, steps])
        return times < lengths.reshape([lengths.shape[0], 1])

    def results(self) -> list[Value | None]:
        """The gradients by input of the operator."""
        back = self.back
        back.build()
        pairs = _unique([value for later in back.later for value in (later.left, later.product)])
        known = {*(value.ref for value in back.dx.values()), *back.sequences, *back.kept}
        extra = [value for value in pairs if value.ref not in known]
        outputs = [*back.dx.values(), *back.carried, *back.dheld.values(), *extra]
        sequences, held = self._read(outputs, pairs)
        results = self._backward_scan(outputs, sequences, held, len(extra))
        found = {value.ref: result for value, result in zip(outputs, results, strict=True)} | sequences
        return self._by_input(results, found)

    def _backward_scan(
        self, outputs: Sequence[Value], sequences: dict[Key, Value], held: dict[Key, Value], kept: int
    ) -> list[Value]:
        back = self.back
        inside = back.tape.used(outputs)
        order = [back.inputs[k] for k in sequences if k in inside] or [back.inputs[next(iter(sequences))]]
        whole = [sequences[value.ref] for value in order]
        inputs = [*order, *back.states.values(), *(back.inputs[key] for key in held)]
        scan = Scan(
            back.tape.finish(inputs, outputs),
            len(order),
            len(back.states),
            not self.scan.reverse,
            sums=len(back.dheld),
            kept=kept,
        )
        first = [self._last_gradient(n) for n in back.states]
        return list(whole[0].apply_all(scan, *whole[1:], None, *first, *held.values()))

    def _read(
        self, outputs: Sequence[Value], pairs: Sequence[Value]
    ) -> tuple[dict[Key, Value], dict[Key, Value]]:
        """What the backward program and the products after it read: sequences, and held values."""
        back = self.back
        used = back.tape.used([*outputs, *pairs])
        sequences = {key: whole for key, whole in back.sequences.items() if key in used}
        sequences |= self._kept_sequences([key for key in back.kept if key in used])
        if not sequences:  # a scan runs along something
            first = back.sequence(("x", 0), self._outer(0), self.scan.program.types[0])
            sequences = {first.ref: back.sequences[first.ref]}
        return sequences, {key: whole for key, whole in back.held.items() if key in used}

    def _kept_sequences(self, keys: Sequence[Key]) -> dict[Key, Value]:
        """Make the forward scan keep these values; the sequences of them."""
        numbers = [self.back.kept[key] for key in keys]
        data = self.tape.graph.node(self.node)
        already = list(self.scan.shares(self.scan.program.outputs)[3])
        new = [n for n in numbers if n not in already]
        program = _also_giving(self.scan.program, new)
        steps = self._outer(0).shape[1]
        types = [program.types[n] for n in program.outputs[len(self.scan.program.outputs) :]]
        over = [t.with_shape((t.shape[0], steps, *t.shape[1:])) for t in types]
        first = len(data.types) - len(already)
        scan = replace(self.scan, program=program, kept=self.scan.kept + len(new))
        self.tape.graph.put(self.node, data.with_op(scan, (*data.types, *over)))
        places = [*already, *new]
        return {
            key: self.tape.value((self.node, first + places.index(number)))
            for key, number in zip(keys, numbers, strict=True)
        }

    def _last_gradient(self, state: int) -> Value:
        """What flows into a state after its last step."""
        grad = self.grads[1][state]
        return grad if grad is not None else self._outer(self.scan.sequences + state).zeros()

    def _by_input(self, results: Sequence[Value], found: dict[Key, Value]) -> list[Value | None]:
        count = self.scan.sequences
        numbers = [*self.back.dx, *(count + n for n in self.back.states), *self.back.dheld]
        by_number: dict[int, Value] = dict(zip(numbers, results, strict=False))
        for later in self.back.later:
            gradient = self._after(later, found[later.left.ref], found[later.product.ref])
            known = by_number.get(later.held)
            by_number[later.held] = gradient if known is None else known + gradient
        ordered = [by_number.get(n) for n in range(len(self.scan.program.inputs))]
        return [*ordered[:count], None, *ordered[count:]]

    def _after(self, later: Later, left: Value, product: Value) -> Value:
        """The gradient of a matrix or of a bias over all steps: time is folded into the rows."""
        rows = product.shape[0] * product.shape[1]
        flat = product.reshape([rows, product.shape[2]])
        if self.scan.program.types[later.held].rank == 1:
            return flat.sum([0])
        columns = left.reshape([rows, left.shape[2]]).transpose([1, 0])
        gradient: Value = columns.apply(MatMul(), flat)
        return gradient


def _also_giving(program: Program, numbers: Sequence[int]) -> Program:
    """The program with further outputs; a scalar is given as `[1]`, since a sequence needs an axis."""
    steps, outputs = list(program.steps), list(program.outputs)
    count = len(program.types)
    for number in numbers:
        type_ = program.types[number]
        if type_.rank == 0:
            step = ProgramStep(
                Reshape((dim(1),)), (number,), (type_.with_shape([1]),), "", program.steps[0].span
            )
            steps.append(step)
            number, count = count, count + 1
        outputs.append(number)
    return Program(program.inputs, tuple(steps), tuple(outputs))


def _unique(values: Sequence[Value]) -> list[Value]:
    return list({value.ref: value for value in values}.values())
