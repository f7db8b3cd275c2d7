"""The gradient of a scan: a scan in the other direction (Werbos 1990, backpropagation through time).

The forward scan is made to keep what the formulas look at, step by step. The backward scan carries the
gradients of the states, gives those of the sequences, and sums those of what is held. A product of the
state with a held matrix gets its matrix gradient after the loop, in one product over all steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netdsl.diagnostics import error
from netdsl.dims import dim
from netdsl.graph import Port, program_graph
from netdsl.ops.arithmetic import Add
from netdsl.ops.create import Range
from netdsl.ops.linear import Linear, MatMul
from netdsl.ops.reshape import Reshape
from netdsl.ops.scan import Program, ProgramStep, Scan
from netdsl.ops.value import Value
from netdsl.types import DType, TensorType
from netruntime.autodiff.recompute import Recomputed
from netruntime.autodiff.tape import GraphTape, Key, ProgramTape
from netruntime.errors import user_span

Grads = Sequence[Value | None]


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
    data = tape.graph.nodes[node]
    scan: Scan = data["op"]
    if any(scan.grows):
        help = "train with attention over the whole sequence; the growing state is for running"
        message = "a scan whose state grows has no gradient"
        raise error("E1133", message, user_span(data), path=data["label"], help=help)
    again = [None if port is None else forward.value(port).ref for port in inputs]
    return _ScanGradient(tape, forward.node(node), grads, again, wanted).results()


@dataclass
class _Later:
    """A matrix gradient that is taken after the loop: left rows and the gradient of the product."""

    held: int
    left: Value
    product: Value


class _ScanGradient:
    """Builds the backward program, then both scans."""

    def __init__(
        self, tape: GraphTape, node: int, grads: Grads, inputs: Sequence[Port | None], wanted: Sequence[bool]
    ) -> None:
        self.tape = tape
        self.node = node
        self.scan: Scan = tape.graph.nodes[node]["op"]
        self.program: Program = self.scan.program
        self.ports = [*inputs[: self.scan.sequences], *inputs[self.scan.sequences + 1 :]]
        self.wanted = [*wanted[: self.scan.sequences], *wanted[self.scan.sequences + 1 :]]
        self.length = inputs[self.scan.sequences]
        self.inner = ProgramTape(tape.graph.nodes[node]["span"])
        self.active = self._active()
        self.found: dict[int, list[Value]] = {}
        self.later: list[_Later] = []
        self.sequences: dict[Key, Value] = {}
        """Inputs of the backward program that are sequences, and the whole sequences outside."""
        self.kept: dict[Key, int] = {}
        """Inputs that are kept values of the forward program."""
        self.held: dict[Key, Value] = {}
        self.inputs: dict[Key, Value] = {}
        self.grads: tuple[Grads, ...] = self.scan.shares(list(grads))
        self.outs = self.scan.shares(list(self.program.outputs))

    # -- which values carry gradients --------------------------------------------------------------

    def _active(self) -> set[int]:
        """The program's values that depend on a wanted input, through the states of other steps too."""
        count, states = self.scan.sequences, self.scan.states
        types = self.program.types
        active = {n for n, wanted in enumerate(self.wanted) if wanted}
        nexts = self.scan.shares(list(self.program.outputs))[1]
        while True:
            before = len(active)
            position = len(self.program.inputs)
            for step in self.program.steps:
                outputs = range(position, position + len(step.types))
                if any(n in active for n in step.inputs):
                    active |= {n for n in outputs if types[n].dtype.is_float}
                position += len(step.types)
            active |= {count + n for n in range(states) if nexts[n] in active}
            if len(active) == before:
                return active

    # -- the backward program ----------------------------------------------------------------------

    def results(self) -> list[Value | None]:
        states = self._states()
        valid = self._valid()
        self._seed(states, valid)
        self._visit()
        carried = self._carried(states, valid)
        count, first_held = self.scan.sequences, self.scan.sequences + self.scan.states
        dx = {n: self._total(n) for n in range(count) if n in self.active and self.wanted[n]}
        held = range(first_held, len(self.program.inputs))
        dheld = {n: v for n in held if self.wanted[n] and (v := self._total(n)) is not None}
        return self._scans(states, carried, {n: v for n, v in dx.items() if v}, dheld)

    def _states(self) -> dict[int, Value]:
        """The gradients of the states that a step hands back, as states of the backward program."""
        count = self.scan.sequences
        numbers = [n for n in range(self.scan.states) if count + n in self.active]
        types = self.program.types
        return {n: self.inner.input("d state", n, type_=types[count + n]) for n in numbers}

    def _valid(self) -> Value | None:
        """Which sequences have not ended at this step, `[B]`; None where no lengths are given."""
        if self.length is None:
            return None
        length = self.tape.value(self.length)
        steps = self.tape.value(self._first_sequence()).shape[1]
        times = length.make(Range(steps, dtype=length.dtype)).reshape([1, steps])
        whole = times < length.reshape([length.shape[0], 1])
        return self._sequence(("valid",), whole, TensorType(DType.BOOL, length.shape))

    def _first_sequence(self) -> Port:
        return next(port for port in self.ports[: self.scan.sequences] if port is not None)

    def _sequence(self, key: Key, whole: Value, type_: TensorType) -> Value:
        value = self.inner.input(*key, type_=type_)
        self.sequences[value.ref] = whole
        self.inputs[value.ref] = value
        return value

    def _seed(self, states: dict[int, Value], valid: Value | None) -> None:
        outputs, nexts, sums, kept = self.outs
        d_outputs, _, d_sums, d_kept = self.grads
        for n, (number, grad) in enumerate(zip(outputs, d_outputs, strict=True)):
            if grad is not None:
                one = self._sequence(("d output", n), grad, self.program.types[number])
                self._give(number, one if valid is None else _where(valid, one, 0))
        for n, value in states.items():
            self._give(nexts[n], value if valid is None else _where(valid, value, 0))
        for n, (number, grad) in enumerate(zip(kept, d_kept, strict=True)):
            if grad is not None:
                self._give(number, self._sequence(("d kept", n), grad, self.program.types[number]))
        for n, (number, grad) in enumerate(zip(sums, d_sums, strict=True)):
            if grad is not None:
                value = self.inner.input("d sum", n, type_=grad.type)
                self.held[value.ref] = grad
                self.inputs[value.ref] = value
                self._give(number, value)

    def _visit(self) -> None:
        position = len(self.program.types)
        for step in reversed(self.program.steps):
            position -= len(step.types)
            grads = [self._total(position + n) for n in range(len(step.types))]
            if any(grad is not None for grad in grads):
                self._step(step, position, grads)

    def _step(self, step: ProgramStep, position: int, grads: Grads) -> None:
        self.inner.label, self.inner.span = step.label, step.span
        if step.op.no_gradient and any(n in self.active for n in step.inputs):
            help = "leave its gradient out with `stop_gradient(..)`, or use a smooth function"
            message = f"`{step.op.name}` has no gradient: it {step.op.no_gradient}"
            raise error("E1132", message, step.span, path=step.label, help=help)
        y = [self._forward(position + n) for n in range(len(grads))]
        xs = [None if n is None else self._forward(n) for n in step.inputs]
        slots = 0 if any(name.startswith("*") for name in step.op.inputs) else len(step.op.inputs)
        xs += [None] * (slots - len(xs))
        one = len(grads) == 1
        found = step.op.gradient(grads[0] if one else tuple(grads), y[0] if one else tuple(y), *xs)
        results = list(found) if isinstance(found, tuple) else [found]
        if self._is_product(step):
            results = self._put_off(step, grads[0], xs[0], results)
        for n, result in zip(step.inputs, results, strict=False):
            if n is not None and result is not None and n in self.active:
                self._give(n, result)

    def _is_product(self, step: ProgramStep) -> bool:
        """Whether the step multiplies rows `[B, I]` with a held matrix."""
        if not isinstance(step.op, (MatMul, Linear)):
            return False
        held = self.scan.sequences + self.scan.states
        left, *others = step.inputs
        given = [n for n in others if n is not None]
        inside = all(held <= n < len(self.program.inputs) for n in given)
        ranks = [self.program.types[n].rank for n in (left, *given[:1]) if n is not None]
        return inside and ranks == [2, 2]

    def _put_off(
        self, step: ProgramStep, dy: Value | None, left: Value | None, results: list[Value | None]
    ) -> list[Value | None]:
        """Take the gradients of the matrix, and of the bias, after the loop."""
        assert dy is not None and left is not None
        for n in step.inputs[1:]:
            if n is not None and n in self.active:
                self.later.append(_Later(n, left, dy))
        return [results[0], *[None] * (len(results) - 1)]

    def _forward(self, number: int) -> Value:
        """A value of the forward program as the backward program reads it."""
        count, held = self.scan.sequences, self.scan.sequences + self.scan.states
        type_ = self.program.types[number]
        if number < count:
            port = self.ports[number]
            assert port is not None
            return self._sequence(("x", number), self.tape.value(port), type_)
        if held <= number < len(self.program.inputs):
            port = self.ports[number]
            assert port is not None
            value = self.inner.input("held", number, type_=type_)
            self.held[value.ref] = self.tape.value(port)
            self.inputs[value.ref] = value
            return value
        value = self.inner.input("kept", number, type_=type_ if type_.rank else type_.with_shape([1]))
        self.kept[value.ref] = number
        self.inputs[value.ref] = value
        return value.reshape(type_.shape)

    def _carried(self, states: dict[int, Value], valid: Value | None) -> list[Value]:
        """What each gradient of a state becomes, one step earlier."""
        found = []
        for n, value in states.items():
            total = self._total(self.scan.sequences + n) or value.zeros()
            found.append(total if valid is None else _where(valid, total, value))
        return found

    def _given(self, number: int) -> Value | None:
        return self._total(number)

    def _give(self, number: int, value: Value) -> None:
        if number in self.active:
            assert value.type == self.program.types[number], f"{value.type}, {self.program.types[number]}"
            self.found.setdefault(number, []).append(value)

    def _total(self, number: int) -> Value | None:
        values = self.found.get(number)
        if not values:
            return None
        total = values[0]
        for value in values[1:]:
            total = total.apply(Add(), value)
        self.found[number] = [total]
        return total

    # -- both scans --------------------------------------------------------------------------------

    def _scans(
        self, states: dict[int, Value], carried: list[Value], dx: dict[int, Value], dheld: dict[int, Value]
    ) -> list[Value | None]:
        pairs = _unique([value for later in self.later for value in (later.left, later.product)])
        given = {value.ref for value in dx.values()}
        known = {*given, *self.sequences, *self.kept}
        extra = [value for value in pairs if value.ref not in known]
        outputs = [*dx.values(), *carried, *dheld.values(), *extra]
        sequences, held = self._read(outputs, pairs)
        inside = self.inner.used(outputs)
        order = [self.inputs[k] for k in sequences if k in inside] or [self.inputs[next(iter(sequences))]]
        whole = [sequences[value.ref] for value in order]
        program = self.inner.finish([*order, *states.values(), *(self.inputs[key] for key in held)], outputs)
        scan = Scan(program, len(order), len(states), not self.scan.reverse, sums=len(dheld), kept=len(extra))
        first = [self._last_gradient(n) for n in states]
        results = list(whole[0].apply_all(scan, *whole[1:], None, *first, *held.values()))
        found = {value.ref: result for value, result in zip(outputs, results, strict=True)} | sequences
        return self._by_input(dx, states, dheld, results, found)

    def _read(
        self, outputs: Sequence[Value], pairs: Sequence[Value]
    ) -> tuple[dict[Key, Value], dict[Key, Value]]:
        """What the backward program and the products after it read: sequences, and held values."""
        used = self.inner.used([*outputs, *pairs])
        sequences = {key: whole for key, whole in self.sequences.items() if key in used}
        sequences |= self._kept_sequences([key for key in self.kept if key in used])
        if not sequences:
            sequence = self._sequence(
                ("x", 0), self.tape.value(self._first_sequence()), self.program.types[0]
            )
            sequences = {sequence.ref: self.sequences[sequence.ref]}
        return sequences, {key: whole for key, whole in self.held.items() if key in used}

    def _kept_sequences(self, keys: Sequence[Key]) -> dict[Key, Value]:
        """Make the forward scan keep these values; the sequences of them."""
        numbers = [self.kept[key] for key in keys]
        data = self.tape.graph.nodes[self.node]
        already = list(self.outs[3])
        new = [n for n in numbers if n not in already]
        program = _also_giving(self.program, new)
        steps = self.tape.value(self._first_sequence()).shape[1]
        types = [program.types[n] for n in program.outputs[len(self.program.outputs) :]]
        over = [t.with_shape((t.shape[0], steps, *t.shape[1:])) for t in types]
        first = len(data["types"]) - len(already)
        data["op"] = replace(self.scan, program=program, kept=self.scan.kept + len(new))
        data["types"] = (*data["types"], *over)
        data["body"] = program_graph(program, data["label"], data["span"])
        places = [*already, *new]
        return {
            key: self.tape.value((self.node, first + places.index(number)))
            for key, number in zip(keys, numbers, strict=True)
        }

    def _last_gradient(self, state: int) -> Value:
        """What flows into a state after its last step."""
        grad = self.grads[1][state]
        if grad is not None:
            return grad
        port = self.ports[self.scan.sequences + state]
        assert port is not None
        return self.tape.value(port).zeros()

    def _by_input(
        self,
        dx: dict[int, Value],
        states: dict[int, Value],
        dheld: dict[int, Value],
        results: Sequence[Value],
        found: dict[Key, Value],
    ) -> list[Value | None]:
        """The gradients by input of the operator."""
        count = self.scan.sequences
        numbers = [*dx, *(count + n for n in states), *dheld]
        by_number: dict[int, Value] = dict(zip(numbers, results, strict=False))
        for later in self.later:
            gradient = self._after(later, found[later.left.ref], found[later.product.ref])
            known = by_number.get(later.held)
            by_number[later.held] = gradient if known is None else known + gradient
        ordered = [by_number.get(n) for n in range(len(self.program.inputs))]
        return [*ordered[:count], None, *ordered[count:]]

    def _after(self, later: _Later, left: Value, product: Value) -> Value:
        """The gradient of a matrix or of a bias over all steps: time is folded into the rows."""
        rows = product.shape[0] * product.shape[1]
        flat = product.reshape([rows, product.shape[2]])
        if self.program.types[later.held].rank == 1:
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


def _where(valid: Value, a: Value, b: Value | float) -> Value:
    """`a` in the rows that are valid, `b` in the others."""
    return valid.reshape([valid.shape[0], *[dim(1)] * (a.rank - 1)]).select(a, b)


def _unique(values: Sequence[Value]) -> list[Value]:
    return list({value.ref: value for value in values}.values())
