"""Cells made flat: a cell's body as a program that a scan can run at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netdsl.model import Body, CallStep, OpStep, Parameter, State, join
from netdsl.ops.sequence.scan import Program, ProgramStep
from netdsl.types import TensorType


@dataclass(frozen=True)
class Cell:
    """A cell's body made flat: the program, and what must be handed in beside its inputs.

    The program's inputs are the scanned inputs, the states, the held inputs, and the parameters.
    """

    program: Program
    states: tuple[OpStep, ...]
    parameters: tuple[tuple[str, OpStep], ...]


def flatten_cell(body: Body, scanned: Sequence[bool]) -> Cell:
    """Flatten a cell whose states and parameters come from outside.

    Args:
        scanned: For each input of the body, whether it is one step of a sequence (else it is held).
    """
    flat = _Flat()
    results = flat.expand(body, [("input", n) for n in range(len(body.inputs))], "")
    slots = list(enumerate(body.inputs))
    order: list[tuple[_Key, str, TensorType]] = [
        (("input", n), i.name, i.type) for n, i in slots if scanned[n]
    ]
    order += [(("state", step.label), step.label, step.types[0]) for step in flat.states]
    order += [(("input", n), i.name, i.type) for n, i in slots if not scanned[n]]
    order += [(("param", path), path, step.types[0]) for path, step in flat.parameters.items()]
    return Cell(flat.finish(order, results), tuple(flat.states), tuple(flat.parameters.items()))


_Key = tuple[str, object]
"""A value before it has a number: an input, a state, a parameter, or an output of a step."""


@dataclass
class _Flat:
    """Expands a cell's body into program steps; states and parameters are put aside."""

    steps: list[tuple[OpStep, str, tuple[_Key | None, ...]]] = field(default_factory=list)
    states: list[OpStep] = field(default_factory=list)
    parameters: dict[str, OpStep] = field(default_factory=dict)

    def expand(self, body: Body, inputs: Sequence[_Key | None], path: str) -> list[_Key | None]:
        values = list(inputs)
        for step in body.steps:
            args = tuple(None if i is None else values[i] for i in step.inputs)
            label = join(path, step.label)
            if isinstance(step, CallStep):
                values += self.expand(step.body, args, label)
            elif isinstance(step.op, Parameter):
                self.parameters.setdefault(label, step)
                values.append(("param", label))
            elif isinstance(step.op, State):
                self.states.append(step)
                values.append(("state", label))
            else:
                values += [("step", (len(self.steps), n)) for n in range(len(step.types))]
                self.steps.append((step, label, args))
        return [values[slot.value] for slot in body.outputs]

    def finish(
        self, order: Sequence[tuple[_Key, str, TensorType]], results: Sequence[_Key | None]
    ) -> Program:
        numbers: dict[_Key, int] = {key: n for n, (key, _, _) in enumerate(order)}
        steps = []
        for index, (step, label, args) in enumerate(self.steps):
            inputs = tuple(None if key is None else numbers[key] for key in args)
            steps.append(ProgramStep(step.op, inputs, step.types, label, step.span))
            for n in range(len(step.types)):
                numbers[("step", (index, n))] = len(numbers)
        outputs = tuple(numbers[key] for key in results if key is not None)
        return Program(tuple((name, type_) for _, name, type_ in order), tuple(steps), outputs)
