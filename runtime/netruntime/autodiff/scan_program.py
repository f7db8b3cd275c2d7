"""The program of a scan's backward pass: one step of the cell, walked from its results to its inputs.

Values of the forward program are asked for by number; which of them are whole sequences, which are held, and
which the forward scan has to keep is noted down as they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netdsl.diagnostics import error
from netdsl.dims import dim
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.sequence.scan import Program, ProgramStep, Scan
from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.autodiff.tape import Key, ProgramTape

Grads = Sequence[Value | None]


@dataclass(frozen=True)
class Later:
    """A matrix gradient that is taken after the loop: left rows and the gradient of the product."""

    held: int
    left: Value
    product: Value


class BackwardProgram:
    """One step of the backward pass, on a tape of its own.

    Args:
        scan: The forward scan.
        span: Its place.
        wanted: For each input of its program, whether its gradient is wanted.
        outer: The value outside, by number of an input of the program that is a sequence or held.
        grads: What flows into each output of the scan.
        valid: Which rows have not ended, `[B, T]`; None where no lengths are given.

    After `build`: `dx` has the gradients of sequences by their number, `states` those that come in for the
    states, `carried` what becomes of them, `dheld` what is summed, `later` what is left for after the loop.
    `sequences` and `held` map inputs of this program to the values outside, `kept` to numbers of the forward
    program.
    """

    def __init__(
        self,
        scan: Scan,
        span: Span,
        wanted: Sequence[bool],
        outer: Callable[[int], Value],
        grads: Grads,
        valid: Value | None,
    ) -> None:
        self.scan = scan
        self.program: Program = scan.program
        self.wanted = wanted
        self.outer = outer
        self.tape = ProgramTape(span)
        self.sequences: dict[Key, Value] = {}
        self.held: dict[Key, Value] = {}
        self.kept: dict[Key, int] = {}
        self.inputs: dict[Key, Value] = {}
        self.later: list[Later] = []
        self.active = self._active()
        self._found: dict[int, list[Value]] = {}
        self._grads: tuple[Grads, ...] = scan.shares(list(grads))
        self._valid = None if valid is None else self.sequence(("valid",), valid, _one_step(valid.type))
        self.states = self._states()
        self.dx: dict[int, Value] = {}
        self.carried: list[Value] = []
        self.dheld: dict[int, Value] = {}

    def build(self) -> None:
        """Walk the step backwards."""
        self._seed()
        self._visit()
        self.carried = self._carried()
        count, first_held = self.scan.sequences, self.scan.sequences + self.scan.states
        self.dx = self._totals(range(count))
        self.dheld = self._totals(range(first_held, len(self.program.inputs)))

    def sequence(self, key: Key, whole: Value, type_: TensorType) -> Value:
        """An input of this program that is one step of a whole sequence outside."""
        value = self.tape.input(*key, type_=type_)
        self.sequences[value.ref] = whole
        self.inputs[value.ref] = value
        return value

    def _totals(self, numbers: range) -> dict[int, Value]:
        return {n: v for n in numbers if self.wanted[n] and (v := self._total(n)) is not None}

    def _active(self) -> set[int]:
        """The program's values that depend on a wanted input, through the states of other steps too."""
        count, states = self.scan.sequences, self.scan.states
        types = self.program.types
        active = {n for n, wanted in enumerate(self.wanted) if wanted}
        nexts = self.scan.shares(self.program.outputs)[1]
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

    def _states(self) -> dict[int, Value]:
        """What comes in for the states that carry gradients, by the number of the state."""
        count = self.scan.sequences
        numbers = [n for n in range(self.scan.states) if count + n in self.active]
        types = self.program.types
        return {n: self.tape.input("d state", n, type_=types[count + n]) for n in numbers}

    def _seed(self) -> None:
        outputs, nexts, sums, kept = self.scan.shares(self.program.outputs)
        d_outputs, _, d_sums, d_kept = self._grads
        for n, (number, grad) in enumerate(zip(outputs, d_outputs, strict=True)):
            if grad is not None:
                one = self.sequence(("d output", n), grad, self.program.types[number])
                self._give(number, self._in_valid(one, 0))
        for n, value in self.states.items():
            self._give(nexts[n], self._in_valid(value, 0))
        for n, (number, grad) in enumerate(zip(kept, d_kept, strict=True)):
            if grad is not None:
                self._give(number, self.sequence(("d kept", n), grad, self.program.types[number]))
        for n, (number, grad) in enumerate(zip(sums, d_sums, strict=True)):
            if grad is not None:
                self._give(number, self._hold(("d sum", n), grad))

    def _in_valid(self, a: Value, b: Value | float) -> Value:
        """`a` in the rows that have not ended, `b` in the others."""
        if self._valid is None:
            return a
        rows = self._valid.reshape([self._valid.shape[0], *[dim(1)] * (a.rank - 1)])
        return rows.select(a, b)

    def _hold(self, key: Key, whole: Value) -> Value:
        """An input of this program that is the same at every step."""
        value = self.tape.input(*key, type_=whole.type)
        self.held[value.ref] = whole
        self.inputs[value.ref] = value
        return value

    def _visit(self) -> None:
        position = len(self.program.types)
        for step in reversed(self.program.steps):
            position -= len(step.types)
            grads = [self._total(position + n) for n in range(len(step.types))]
            if any(grad is not None for grad in grads):
                self._step(step, position, grads)

    def _step(self, step: ProgramStep, position: int, grads: Grads) -> None:
        self.tape.label, self.tape.span = step.label, step.span
        if step.op.no_gradient and any(n in self.active for n in step.inputs):
            help = "leave its gradient out with `stop_gradient(..)`, or use a smooth function"
            message = f"`{step.op.name}` has no gradient: it {step.op.no_gradient}"
            raise error("E1132", message, step.span, path=step.label, help=help)
        if isinstance(step.op, Scan):
            help = "scan outside of the cell, with the rows of both axes in one: [B, S, T, D] => [B*S, T, D]"
            message = "a scan inside a cell has no gradient: only the outer scan can be trained through"
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
                self.later.append(Later(n, left, dy))
        return [results[0], *[None] * (len(results) - 1)]

    def _forward(self, number: int) -> Value:
        """A value of the forward program as this program reads it."""
        count, held = self.scan.sequences, self.scan.sequences + self.scan.states
        type_ = self.program.types[number]
        if number < count:
            return self.sequence(("x", number), self.outer(number), type_)
        if held <= number < len(self.program.inputs):
            return self._hold(("held", number), self.outer(number))
        value = self.tape.input("kept", number, type_=type_ if type_.rank else type_.with_shape([1]))
        self.kept[value.ref] = number
        self.inputs[value.ref] = value
        return value.reshape(type_.shape)

    def _carried(self) -> list[Value]:
        """What each gradient of a state becomes, one step earlier."""
        found = []
        for n, value in self.states.items():
            total = self._total(self.scan.sequences + n)
            found.append(self._in_valid(total if total is not None else value.zeros(), value))
        return found

    def _give(self, number: int, value: Value) -> None:
        if number in self.active:
            assert value.type == self.program.types[number], f"{value.type}, {self.program.types[number]}"
            self._found.setdefault(number, []).append(value)

    def _total(self, number: int) -> Value | None:
        values = self._found.get(number)
        if not values:
            return None
        total = values[0]
        for value in values[1:]:
            total = total.apply(Add(), value)
        self._found[number] = [total]
        return total


def _one_step(whole: TensorType) -> TensorType:
    return whole.with_shape((whole.shape[0], *whole.shape[2:]))
