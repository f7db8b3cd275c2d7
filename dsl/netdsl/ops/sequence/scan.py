"""The scan: a cell run over the steps of a sequence, carrying its states along.

The cell is a `Program`: operators in order, over numbered values. Time is axis 1 of every sequence,
after the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from netdsl.dims import Dim, DimLike, dim
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Module, Op, OpError
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.ops.numerics.functions import where
from netdsl.source import Span
from netdsl.types import TensorType

_T = TypeVar("_T")


@immutable
class ProgramStep:
    """One operator of a program; `inputs` are value numbers, `None` where an input is left out."""

    op: Op
    inputs: tuple[int | None, ...]
    types: tuple[TensorType, ...]
    label: str
    span: Span


@immutable(eq=False)
class Program:
    """Operators in order. Values are numbered: the inputs first, then every step's outputs."""

    inputs: tuple[tuple[str, TensorType], ...]
    steps: tuple[ProgramStep, ...]
    outputs: tuple[int, ...]

    def bind(self, sizes: Mapping[str, DimLike]) -> Program:
        """The program with free sizes in its operators and types replaced by fixed ones."""
        inputs = tuple((name, type_.substitute(sizes)) for name, type_ in self.inputs)
        steps = tuple(
            replace(step, types=tuple(type_.substitute(sizes) for type_ in step.types))
            for step in self.bind_operators(sizes).steps
        )
        return Program(inputs, steps, self.outputs)

    def bind_operators(self, sizes: Mapping[str, DimLike]) -> Program:
        """The program with free sizes replaced in its operators alone; itself if they have none."""
        steps = tuple(replace(step, op=step.op.bind(sizes)) for step in self.steps)
        if all(new.op is old.op for new, old in zip(steps, self.steps, strict=True)):
            return self
        return Program(self.inputs, steps, self.outputs)

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        """The type of every value, by number."""
        types = [type_ for _, type_ in self.inputs]
        return (*types, *(type_ for step in self.steps for type_ in step.types))

    def type_of(self, value: int) -> TensorType:
        return self.types[value]

    def run(self, xp: Module, inputs: Sequence[Array], rng: Any = None) -> list[Array]:
        """The outputs for one set of inputs: the reference implementation, operator by operator."""
        values = list(inputs)
        for step in self.steps:
            args = [None if i is None else values[i] for i in step.inputs]
            result = step.op.forward(xp, *args, **({"rng": rng} if step.op.draws else {}))
            values += result if isinstance(result, tuple) else (result,)
        return [values[i] for i in self.outputs]


@immutable
class Growth:
    """A state that grows along `axis` by `amount` in each step; `symbol` is its size in the program."""

    axis: int
    amount: int
    symbol: str


@immutable
class ScanInputs(Generic[_T]):
    """The inputs of a scan: complete sequences, or one step of each; the states; what is held constant."""

    sequences: Sequence[_T]
    states: Sequence[_T]
    held: Sequence[_T]
    length: _T | None = None


@immutable
class ScanOutputs(Generic[_T]):
    """The outputs of a scan: the cell's outputs, its last or next states, sums, and kept values."""

    outputs: Sequence[_T]
    states: Sequence[_T]
    sums: Sequence[_T]
    kept: Sequence[_T]


@immutable
class Scan(Op):
    """Runs a cell over time.

    The program's inputs are one step of each sequence, then the states, then what is held constant
    (parameters and side inputs); its outputs are the cell's outputs, then the next states, then what is
    summed over the steps, then what is kept of every step.

    Inputs of the operator: the sequences `[B, T, ...]`; `length` `[B]` (integers) or None; the first
    states; the held inputs. Outputs: one sequence `[B, T, ...]` for each output of the cell, then the
    last states, the sums, and a sequence for each value that is kept. Steps at or past a sequence's
    length output 0 and leave its states unchanged; with `reverse`, each sequence is read from its last
    valid step to its first. Lengths do not affect sums and kept values, which gradients use: a gradient
    with respect to a held input is a sum over the steps, computed from kept values.

    Source: ONNX operators Scan and LSTM (`sequence_lens`).
    """

    category = "group"

    program: Program = field(repr=False)
    sequences: int
    states: int
    reverse: bool = False
    grows: tuple[Growth | None, ...] = ()
    """The growth of each state, or None. Empty if no state grows."""
    sums: int = 0
    kept: int = 0

    name = "scan"
    inputs = ("*xs",)
    is_random = True

    @cached_property
    def draws(self) -> bool:
        """Whether an operator of the cell draws random numbers."""
        return any(step.op.draws for step in self.program.steps)

    def shape(self, *types: TensorType | None) -> tuple[TensorType, ...]:
        given = self.split_inputs(types)
        length = given.length
        steps = self._steps([x for x in given.sequences if x is not None])
        if length is not None and not (length.dtype.is_int and length.rank == 1):
            raise OpError(f"needs `length` to be integers of shape [B], but it is {length}", at=["length"])
        after = self._result_types()
        last = [
            s if g is None else _grown(s, g, steps)
            for s, g in zip(given.states, self._growth(), strict=True)
            if s
        ]
        kept = (_over(k, steps) for k in after.kept)
        return (*(_over(o, steps) for o in after.outputs), *last, *after.sums, *kept)

    def _result_types(self) -> ScanOutputs[TensorType]:
        return self.split_outputs([self.program.type_of(v) for v in self.program.outputs])

    def split_inputs(self, inputs: Sequence[_T]) -> ScanInputs[_T]:
        """The inputs of the operator, by role."""
        count = self.sequences
        length = inputs[count] if len(inputs) > count else None
        return replace(self.split_cell([*inputs[:count], *inputs[count + 1 :]]), length=length)

    def split_cell(self, inputs: Sequence[_T]) -> ScanInputs[_T]:
        """The inputs of the program, or those of the operator without the length, by role."""
        first, held = self.sequences, self.sequences + self.states
        return ScanInputs(inputs[:first], inputs[first:held], inputs[held:])

    def split_outputs(self, results: Sequence[_T]) -> ScanOutputs[_T]:
        """The outputs of the program, or of the operator, by role."""
        kept = len(results) - self.kept
        sums = kept - self.sums
        states = sums - self.states
        return ScanOutputs(results[:states], results[states:sums], results[sums:kept], results[kept:])

    def _steps(self, xs: Sequence[TensorType]) -> Dim:
        steps = xs[0].shape[1]
        for n, x in enumerate(xs):
            if x.shape[1] != steps:
                at = [(self.program.inputs[0][0], 1), (self.program.inputs[n][0], 1)]
                raise OpError(f"needs sequences of one length, but got {steps} and {x.shape[1]} steps", at=at)
        return steps

    def _growth(self) -> tuple[Growth | None, ...]:
        return self.grows or (None,) * self.states

    def forward(
        self, xp: Module, *arrays: Array, rng: Any = None, run_program: Any = Program.run
    ) -> tuple[Array, ...]:
        given: ScanInputs[Array] = self.split_inputs(arrays)
        xs, length = given.sequences, given.length
        states = list(given.states)
        steps = xs[0].shape[1]
        collected: list[list[Array]] = []
        sums: list[Array] = []
        order = range(steps - 1, -1, -1) if self.reverse else range(steps)
        for t in order:
            inputs = [*(x[:, t] for x in xs), *states, *given.held]
            results = run_program(self._program_for(states), xp, inputs, rng)
            made = self.split_outputs(results)
            outputs, after = made.outputs, made.states
            if length is not None:
                valid = t < length
                outputs = [_keep(xp, valid, o, xp.zeros_like(o)) for o in outputs]
                after = [_keep(xp, valid, new, old) for new, old in zip(after, states, strict=True)]
            states = list(after)
            sums = _added(xp, sums, made.sums)
            collected.append([*outputs, *made.kept])
        if self.reverse:
            collected.reverse()
        sequences = self._sequences(xp, collected, xs[0])
        count = len(sequences) - self.kept
        return (*sequences[:count], *states, *(sums or self._no_sums(xp)), *sequences[count:])

    def _program_for(self, states: Sequence[Array]) -> Program:
        """The program for the sizes that growing states have now."""
        if not any(self.grows):
            return self.program
        return self.program.bind_operators(
            {g.symbol: s.shape[g.axis] for g, s in zip(self.grows, states, strict=True) if g}
        )

    def _sequences(self, xp: Module, collected: list[list[Array]], like: Array) -> list[Array]:
        if collected:
            return [xp.stack(values, axis=1) for values in zip(*collected, strict=True)]
        after = self._result_types()
        empty = []
        for type_ in (*after.outputs, *after.kept):
            sizes = [like.shape[0], 0, *(int(size) if size.is_fixed else 0 for size in type_.shape[1:])]
            empty.append(xp.zeros(sizes, dtype=type_.dtype.numpy_name))
        return empty

    def _no_sums(self, xp: Module) -> list[Array]:
        """The sums of no steps."""
        types = self._result_types().sums
        return [xp.zeros([int(n) for n in type_.shape], dtype=type_.dtype.numpy_name) for type_ in types]

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        """Only the batch axis is independent: over time, the states mix all positions."""
        return AxisMap(tuple((0, *[None] * (x.rank - 1)) if x else () for x in xs), frozenset({1}))

    def cost(self, *types: TensorType | None) -> Dim:
        first = types[0]
        assert first is not None
        values: list[TensorType | None] = [type_ for _, type_ in self.program.inputs]
        total = dim(0)
        for step in self.program.steps:
            total = total + step.op.cost(*(None if i is None else values[i] for i in step.inputs))
            values += step.types
        return total * first.shape[1]

    def bind(self, sizes: Mapping[str, DimLike]) -> Scan:
        return replace(self, program=self.program.bind(sizes))


def _over(one: TensorType, steps: Dim) -> TensorType:
    """The type of a sequence whose steps have this type."""
    return one.with_shape((one.shape[0], steps, *one.shape[1:]))


def _added(xp: Module, sums: list[Array], more: Sequence[Array]) -> list[Array]:
    """The sums with one more step; they are separate arrays, and updated in place."""
    if not sums:
        return [xp.array(array) for array in more]
    for total, array in zip(sums, more, strict=True):
        total += array
    return sums


def _grown(state: TensorType, growth: Growth, steps: Dim) -> TensorType:
    shape = list(state.shape)
    shape[growth.axis] = shape[growth.axis] + steps * growth.amount
    return state.with_shape(shape)


def _keep(xp: Module, valid: Array, new: Array, old: Array) -> Array:
    return where(xp, valid.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
