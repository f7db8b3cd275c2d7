"""Bodies made flat: every call expanded, every operator a step over numbered values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netdsl.diagnostics import Label, error
from netdsl.model import OUTSIDE, Body, CallStep, OpStep, Parameter, join, steps_out
from netdsl.ops.contract.base import Op
from netdsl.source import Span
from netdsl.types import TensorType
from netdsl.work import spend

NODE_STEPS, CALL_STEPS = 8, 2
"""The work of one operator of an expanded body, up to its node in a graph, and of one call."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of a block: which block, under which label path, from where."""

    block: str
    label: str
    span: Span


@dataclass(frozen=True, slots=True)
class FlatStep:
    """An operator applied to values; `value` is the number of its first output."""

    op: Op
    inputs: tuple[int | None, ...]
    types: tuple[TensorType, ...]
    label: str
    span: Span
    chain: tuple[Frame, ...]
    value: int


@dataclass
class FlatBody:
    """A body as steps. Values are numbered: the inputs of the body, then the outputs of every step in order.

    Args:
        count: How many values there are.
        parameters: The step of each parameter and buffer by its label path; calls under one path share it.
        blocks: What each block call returned, by its label path.
        updates: The new value of each buffer that the body changes, by its label path. Where a layer is
            applied several times, each application starts from the value of the one before it.
        applications: How often each label path was called.
    """

    count: int
    steps: list[FlatStep] = field(default_factory=list)
    parameters: dict[str, FlatStep] = field(default_factory=dict)
    blocks: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    updates: dict[str, int] = field(default_factory=dict)
    applications: dict[str, int] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    next_values: list[int] = field(default_factory=list)


def flatten(body: Body) -> FlatBody:
    """A body with every call in it expanded. Raises E0309 if two weights of one path differ in type."""
    flat = FlatBody(len(body.inputs))
    values = _expand(flat, body, list(range(flat.count)), _Place())
    for slots, numbers in ((body.outputs, flat.outputs), (body.next_values, flat.next_values)):
        for slot in slots:
            number = values[slot.value]
            assert number is not None
            numbers.append(number)
    return flat


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a body is expanded: its label path, the calls around it, which use of its path this is, and the
    body around it: the one that calls it or, for a layer, the one that declares it."""

    path: str = ""
    chain: tuple[Frame, ...] = ()
    uses: str = ""
    outer: _Place | None = None

    def inside(self, step: CallStep, applications: dict[str, int]) -> _Place:
        """The place of a call; counts it."""
        outer, path = self._further_out(step.label), self.path_of(step.label)
        count = applications[path] = applications.get(path, 0) + 1
        uses = f"@{count}" if count > 1 else ""
        return _Place(path, (*outer.chain, Frame(step.body.name, path + uses, step.span)), uses, outer)

    def path_of(self, label: str) -> str:
        return join(self._further_out(label).path, label.lstrip(OUTSIDE))

    def _further_out(self, label: str) -> _Place:
        """The place that a label starts from; beyond the outermost body it is known by its distance."""
        place = self
        for _ in range(steps_out(label)):
            place = place.outer or _Place(place.path + OUTSIDE)
        return place


def _expand(flat: FlatBody, body: Body, inputs: Sequence[int | None], place: _Place) -> list[int | None]:
    """Add the steps of a body. Returns the number of each of its values."""
    values = list(inputs)
    for step in body.steps:
        spend((CALL_STEPS if isinstance(step, CallStep) else NODE_STEPS) + len(place.path) / 100)
        args = tuple(None if n is None else values[n] for n in step.inputs)
        if isinstance(step, CallStep):
            inner = place.inside(step, flat.applications)
            made = _expand(flat, step.body, args, inner)
            results = tuple(made[slot.value] for slot in step.body.outputs)
            flat.blocks[inner.chain[-1].label] = results
            values += results
        elif isinstance(step.op, Parameter):
            values.append(_parameter(flat, step, place))
        else:
            values += _add(flat, step, args, place.path_of(step.label) + place.uses, place.chain)
    for label, value in body.updates:
        number = values[value]
        assert number is not None
        flat.updates[place.path_of(label)] = number
    return values


def _add(
    flat: FlatBody, step: OpStep, inputs: tuple[int | None, ...], label: str, chain: tuple[Frame, ...]
) -> range:
    flat.steps.append(FlatStep(step.op, inputs, step.types, label, step.span, chain, flat.count))
    numbers = range(flat.count, flat.count + len(step.types))
    flat.count = numbers.stop
    return numbers


def _parameter(flat: FlatBody, step: OpStep, place: _Place) -> int:
    """The value of a parameter: made once for its path, and the newest where it is a buffer that changes."""
    label = place.path_of(step.label)
    if label not in flat.parameters:
        _add(flat, step, (), label, place.chain)
        flat.parameters[label] = flat.steps[-1]
    first = flat.parameters[label]
    if first.types != step.types:
        also = [Label(first.span, f"{first.types[0]} here")]
        message = f"the weight `{label}` is {step.types[0]} here, and {first.types[0]} before"
        raise error("E0309", message, step.span, also=also, help="give the two layers different labels")
    return flat.updates.get(label, first.value)
