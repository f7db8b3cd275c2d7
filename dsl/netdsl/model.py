"""The typed model: the result of the checker, before it becomes a graph.

A `Body` is one block for given static arguments and input types. Bodies are shared: six equal layers
are one body, called six times under six labels. A parameter is identified by its label path, so two
calls under one path share their weights.

Values in a body are numbered: its inputs first, then the outputs of every step in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property

from netdsl.diagnostics import Diagnostic
from netdsl.immutable import immutable
from netdsl.ops.contract.assuming import AnyCondition
from netdsl.ops.contract.base import Array, Module, Op
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.source import Span
from netdsl.syntax import Weights
from netdsl.types import TensorType
from netdsl.work import spend

MAX_NODES = 50_000
"""The largest expanded graph."""
OUTSIDE = "^"
"""At the start of a label: it is one body further out. A layer that is passed as an argument has it."""
TRAIN_PATH = "train"
"""The label path of the operators that a `train` section adds to its models."""


@immutable
class Init:
    """The initial value of a parameter: `glorot`, `normal(0, 0.02)`, or a number."""

    kind: str
    args: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.args))})" if self.args else self.kind


@immutable
class Input(Op):
    """A tensor that the caller passes."""

    slot: str

    name = "input"
    inputs = ()
    category = "pill"

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())


@immutable
class Parameter(Op):
    """A tensor of the model: trained (`param`) or only stored (`buffer`)."""

    role: str
    init: Init

    name = "param"
    inputs = ()
    category = "pill"


@immutable
class State(Op):
    """A value that a cell carries from step to step; it may grow along one axis."""

    slot: str
    init: Init
    grows: int | None

    name = "state"
    inputs = ()
    category = "pill"


@immutable
class Output(Op):
    """A tensor that the model returns."""

    slot: str

    name = "output"
    inputs = ("x",)
    category = "pill"

    def shape(self, x: TensorType) -> TensorType:
        return x

    def forward(self, xp: Module, x: Array) -> Array:
        return x

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)


@immutable
class OpStep:
    """An operator applied to values of the body."""

    op: Op
    inputs: tuple[int | None, ...]
    types: tuple[TensorType, ...]
    label: str
    span: Span


@immutable
class CallStep:
    """A block called under a label. `application` counts the uses of a shared layer in its body from 0."""

    body: Body
    inputs: tuple[int, ...]
    label: str
    span: Span
    application: int = 0


BodyStep = OpStep | CallStep


@immutable
class Slot:
    """A named input or output of a body; an output also says which value it is."""

    name: str
    type: TensorType
    value: int
    span: Span


@immutable
class Assumption:
    """A condition on free sizes that the checker could not decide, and the place that needs it.

    `is_stated` says that it is an `assert` of the program, which may have a message.
    """

    condition: AnyCondition
    span: Span
    is_stated: bool = False
    message: str = ""


@immutable(eq=False)
class Body:
    """A block for given static arguments and input types; `size` counts its operators and calls, expanded."""

    name: str
    kind: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    steps: tuple[BodyStep, ...] = field(repr=False)
    size: int
    span: Span
    doc: str = ""
    automatic: frozenset[str] = frozenset()
    """The labels that were generated, not written."""
    next_values: tuple[Slot, ...] = ()
    """The next value of every state of a cell, in the order of the states, by the name of the state."""
    updates: tuple[tuple[str, int], ...] = ()
    """The buffers that the body updates: the label, and the number of the new value."""
    arguments: Mapping[str, object] = field(default_factory=dict)
    """The static arguments of the block, defaults included."""
    assumptions: tuple[Assumption, ...] = ()
    """What the operators of the body take for granted about free sizes."""
    borrowed: Mapping[str, Body] = field(default_factory=dict)
    """The bodies of the layers that are passed as arguments, by their labels, which are further out."""

    @cached_property
    def parameters(self) -> Mapping[str, OpStep]:
        """The weights of the body and of the blocks that it calls, by label; shared ones once."""
        steps: dict[str, OpStep] = {}
        for step in self.steps:
            if isinstance(step, CallStep):
                inner = step.body.parameters
                steps |= {below(step.label, path): parameter for path, parameter in inner.items()}
            elif isinstance(step.op, Parameter):
                steps[step.label] = step
        spend(len(steps) + len(self.steps))
        return steps


@immutable(eq=False)
class Model:
    """A checked `model`: its body, the free sizes of its inputs, and where each was declared."""

    name: str
    body: Body
    symbols: Mapping[str, Span]
    doc: str = ""

    @cached_property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What must be true of the free sizes for the model to run, each condition once."""
        each = [a for body in _bodies(self.body) for a in body.assumptions]
        conditions: dict[AnyCondition, Assumption] = {}
        for assumption in sorted(each, key=lambda a: not a.is_stated):
            conditions.setdefault(assumption.condition, assumption)
        return tuple(a for a in conditions.values() if a.is_stated or not _follows(a.condition, conditions))

    @property
    def inputs(self) -> dict[str, TensorType]:
        return {slot.name: slot.type for slot in self.body.inputs}

    @property
    def outputs(self) -> dict[str, TensorType]:
        return {slot.name: slot.type for slot in self.body.outputs}


@immutable(eq=False)
class Expectation:
    """One `expect` of a test: an output that must be true, or two that must agree."""

    span: Span
    values: tuple[str, ...]
    tolerance: float | None


@immutable(eq=False)
class ModelTest:
    """A `test`: shape expectations were checked already; the others need a run of `model`."""

    name: str
    model: Model
    expectations: tuple[Expectation, ...]
    span: Span


@immutable
class Call:
    """A named recipe with its numbers: `adamw(lr=1e-3)`, `norm(1.0)`.

    `patterns` are the label patterns that it applies to; without any it applies to all weights.
    """

    name: str
    arguments: Mapping[str, float | bool]
    span: Span
    patterns: tuple[str, ...] = ()


@immutable
class MetricSpec:
    """A `metric` of a `train` section.

    Args:
        name: Its name in the file.
        kind: The name of a built-in metric, or "mean" for a scalar that is averaged over samples.
        arguments: The arguments of a built-in metric besides its tensors.
        output: The output of `Phase.model` that holds its value, or its statistics of one batch.
    """

    name: str
    kind: str
    arguments: Mapping[str, float | bool | str]
    output: str
    span: Span


@immutable(eq=False)
class Phase:
    """A checked `train` section.

    Args:
        name: The section's name, "" for one without.
        model: The models used, under label paths of their own, with the loss and the metrics on top. Its
            inputs are those of the models and the section's own; its outputs are `loss`, a scalar, and one
            for each metric.
        numbers: The settings that are one number: `epochs`, `batch_size`, ...
        over: Patterns of the weights that are trained; all without any.
        freeze: Patterns of the weights that are not trained.
        recompute: Patterns of the label paths whose values are recomputed for the gradients.
    """

    name: str
    model: Model
    span: Span
    metrics: tuple[MetricSpec, ...] = ()
    optimizer: Call | None = None
    groups: tuple[Call, ...] = ()
    schedule: Call | None = None
    clips: tuple[Call, ...] = ()
    regularisers: tuple[Call, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    over: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    recompute: tuple[str, ...] = ()


@immutable(eq=False)
class Checked:
    """The contents of a checked file."""

    models: Mapping[str, Model]
    tests: tuple[ModelTest, ...]
    weights: Mapping[str, Weights]
    phases: tuple[Phase, ...]
    config: Mapping[str, object]
    hints: tuple[Diagnostic, ...] = ()


def _follows(condition: AnyCondition, others: Iterable[AnyCondition]) -> bool:
    """Whether a condition follows from another one; of two that say the same, only the second does."""
    is_first = True
    for other in others:
        if other is condition:
            is_first = False
        elif other.implies(condition) and (is_first or not condition.implies(other)):
            return True
    return False


def _bodies(body: Body) -> list[Body]:
    """A body and those of all blocks below it, each once."""
    bodies = {id(body): body}
    for each in (waiting := [body]):
        for step in each.steps:
            if isinstance(step, CallStep) and id(step.body) not in bodies:
                bodies[id(step.body)] = step.body
                waiting.append(step.body)
    return list(bodies.values())


def join(path: str, label: str) -> str:
    """A label path and a label below it."""
    dot = "." if path and label and not path.endswith(OUTSIDE) else ""
    return f"{path}{dot}{label}"


def below(path: str, label: str) -> str:
    """The label of a body that is called under a path, as the calling body has it."""
    if not label.startswith(OUTSIDE):
        return join(path, label)
    return OUTSIDE * steps_out(path) + label.removeprefix(OUTSIDE)


def steps_out(label: str) -> int:
    """How many bodies further out a label is."""
    return len(label) - len(label.lstrip(OUTSIDE))
