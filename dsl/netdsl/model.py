"""The typed model: what the checker makes of a file, before it becomes a graph.

A `Body` is one block for given static arguments and input types. Bodies are shared: six equal layers
are one body, called six times under six labels. A parameter is identified by its label path, so two
calls under one path share their weights.

Values in a body are numbered: its inputs first, then the outputs of every step in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netdsl.diagnostics import Diagnostic
from netdsl.ops.base import Array, Module, Op
from netdsl.source import Span
from netdsl.syntax import Train, Weights
from netdsl.types import TensorType

MAX_NODES = 1_000_000
"""The largest expanded graph."""


@dataclass(frozen=True)
class Init:
    """How a parameter starts: `glorot`, `normal(0, 0.02)`, or a number."""

    kind: str
    args: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.args))})" if self.args else self.kind


@dataclass(frozen=True)
class Input(Op):
    """A tensor given from outside."""

    slot: str

    name = "input"
    inputs = ()


@dataclass(frozen=True)
class Parameter(Op):
    """A tensor of the model: trained (`param`) or only kept (`buffer`)."""

    role: str
    init: Init

    name = "param"
    inputs = ()


@dataclass(frozen=True)
class State(Op):
    """What a cell carries from step to step; it may grow along one axis."""

    slot: str
    init: Init
    grows: int | None

    name = "state"
    inputs = ()


@dataclass(frozen=True)
class Output(Op):
    """A tensor handed to the outside."""

    slot: str

    name = "output"
    inputs = ("x",)

    def forward(self, xp: Module, x: Array) -> Array:
        return x


@dataclass(frozen=True)
class OpStep:
    """An operator applied to values of the body."""

    op: Op
    inputs: tuple[int | None, ...]
    types: tuple[TensorType, ...]
    label: str
    span: Span


@dataclass(frozen=True)
class CallStep:
    """A block called under a label. `application` counts the uses of a shared layer from 0."""

    body: Body
    inputs: tuple[int, ...]
    label: str
    span: Span
    application: int = 0


Step = OpStep | CallStep


@dataclass(frozen=True)
class Slot:
    """A named input or output of a body; an output also says which value it is."""

    name: str
    type: TensorType
    value: int
    span: Span


@dataclass(frozen=True, eq=False)
class Body:
    """A block for given static arguments and input types; `size` counts its expanded operators."""

    name: str
    kind: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    steps: tuple[Step, ...] = field(repr=False)
    size: int
    span: Span
    doc: str = ""
    automatic: frozenset[str] = frozenset()
    """The labels that were made up, not given."""


@dataclass(frozen=True, eq=False)
class Model:
    """A checked `model`: its body, the free sizes of its inputs, and where each was declared."""

    name: str
    body: Body
    symbols: Mapping[str, Span]
    doc: str = ""

    @property
    def inputs(self) -> dict[str, TensorType]:
        return {slot.name: slot.type for slot in self.body.inputs}

    @property
    def outputs(self) -> dict[str, TensorType]:
        return {slot.name: slot.type for slot in self.body.outputs}


@dataclass(frozen=True, eq=False)
class Expectation:
    """One `expect` of a test: an output that must be true, or two that must agree."""

    span: Span
    values: tuple[str, ...]
    tolerance: float | None


@dataclass(frozen=True, eq=False)
class ModelTest:
    """A `test`: shape expectations were checked already; the others need a run of `model`."""

    name: str
    model: Model
    expectations: tuple[Expectation, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Checked:
    """Everything that a checked file says."""

    models: Mapping[str, Model]
    tests: tuple[ModelTest, ...]
    weights: Mapping[str, Weights]
    train: tuple[Train, ...]
    config: Mapping[str, Any]
    hints: tuple[Diagnostic, ...] = ()


def join(path: str, label: str) -> str:
    """A label path and a label below it."""
    return f"{path}.{label}" if path and label else path or label
