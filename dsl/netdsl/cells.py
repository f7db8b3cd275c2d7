"""Flattened cells: a cell's body as a program that a scan can run at every step."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.flatten import FlatBody, FlatStep, flatten
from netdsl.immutable import immutable
from netdsl.model import OUTSIDE, Body, Parameter, State
from netdsl.ops.sequence.scan import Program, ProgramStep


@immutable
class Cell:
    """A flattened cell: its program, and what the caller must pass besides its inputs.

    The program's inputs are the scanned inputs, the states, the buffers, the held inputs, and the
    parameters; its outputs are those of the cell, then the next states, then the next values of the buffers.

    Args:
        states: The declared states.
        buffers: The buffers that every step updates, which are carried like states.
        parameters: The parameters, and the buffers that do not change.
    """

    program: Program
    states: tuple[FlatStep, ...]
    buffers: tuple[FlatStep, ...]
    parameters: tuple[FlatStep, ...]


def flatten_cell(body: Body, scanned: Sequence[bool]) -> Cell:
    """Flatten a cell whose states and parameters come from outside.

    Args:
        scanned: For each input of the body, whether it is one step of a sequence (otherwise it is constant).
    """
    flat = flatten(body)
    states = tuple(step for step in flat.steps if isinstance(step.op, State))
    minted = flat.parameters.items()
    buffers = tuple(step for label, step in minted if label in flat.updates)
    parameters = tuple(step for label, step in minted if label not in flat.updates)
    slots = list(enumerate(body.inputs))
    order = [(n, slot.name, slot.type) for n, slot in slots if scanned[n]]
    order += [(step.value, step.label, step.types[0]) for step in (*states, *buffers)]
    order += [(n, slot.name, slot.type) for n, slot in slots if not scanned[n]]
    order += [(step.value, step.label, step.types[0]) for step in parameters]
    results = [*flat.outputs, *flat.next_values, *(flat.updates[step.label] for step in buffers)]
    numbers = {value: n for n, (value, _, _) in enumerate(order)}
    inputs = tuple((name, type_) for _, name, type_ in order)
    steps = tuple(_steps(flat, numbers))
    return Cell(Program(inputs, steps, tuple(numbers[n] for n in results)), states, buffers, parameters)


def _steps(flat: FlatBody, numbers: dict[int, int]) -> list[ProgramStep]:
    """The steps of the program; adds the number of each of their values to `numbers`."""
    steps = []
    for step in flat.steps:
        if isinstance(step.op, (Parameter, State)):
            continue
        inputs = tuple(None if n is None else numbers[n] for n in step.inputs)
        steps.append(ProgramStep(step.op, inputs, step.types, step.label.lstrip(OUTSIDE), step.span))
        for n in range(len(step.types)):
            numbers[step.value + n] = len(numbers)
    return steps
