"""The attributes of the nodes and edges of a graph, and its interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from netdsl.flatten import Frame
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netdsl.source import Span
from netdsl.types import TensorType

Port = tuple[int, int]
"""A value of the graph: a node and which of its outputs."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operator in a graph.

    Args:
        op: The operator with its attributes.
        label: Its label path.
        span: Its place in the source.
        types: The types of its outputs.
        chain: The block calls that created it, outermost first.
        stream: The label path whose random numbers it draws, if not its own.
    """

    op: Op
    label: str
    span: Span
    types: tuple[TensorType, ...]
    chain: tuple[Frame, ...] = ()
    stream: str = ""

    @property
    def user_span(self) -> Span:
        """Its place in the user's own file: of its innermost call that is not in a standard block."""
        return self._user_place[0]

    @property
    def user_name(self) -> str:
        """What is called there: the operator, or the standard block that it is part of."""
        return self._user_place[1]

    @property
    def _user_place(self) -> tuple[Span, str]:
        places = [(self.span, self.op.name), *((frame.span, frame.block) for frame in reversed(self.chain))]
        return next((place for place in places if not place[0].source.name.startswith("std/")), places[0])

    def with_op(self, op: Op, types: Iterable[TensorType]) -> Node:
        """A node with another operator at the same place."""
        return replace(self, op=op, types=tuple(types))


@dataclass(frozen=True, slots=True)
class Edge:
    """Which output of the producer a value is, and which input of the consumer."""

    output: int
    slot: int


@immutable
class Interface:
    """What a graph reads and computes, by name.

    Args:
        inputs, outputs: Node numbers by name.
        blocks: What each block call returned, by its label path.
        updates: The new value of each buffer that a run changes, by the buffer's label path. Where a layer
            is applied several times, each application starts from the value of the one before it.
        doc: The comment of the model.
    """

    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    blocks: Mapping[str, tuple[Port | None, ...]] = field(default_factory=dict)
    updates: Mapping[str, Port] = field(default_factory=dict)
    doc: str = ""

    @property
    def output_ports(self) -> dict[str, Port]:
        """The values of the outputs by name."""
        return {name: (node, 0) for name, node in self.outputs.items()}

    def moved(self, ports: Mapping[Port, Port]) -> Interface:
        """This interface for a graph in which the values are at other ports."""
        return Interface(
            {name: ports[node, 0][0] for name, node in self.inputs.items()},
            {name: ports[node, 0][0] for name, node in self.outputs.items()},
            {
                label: tuple(None if port is None else ports[port] for port in results)
                for label, results in self.blocks.items()
            },
            {label: ports[port] for label, port in self.updates.items()},
            self.doc,
        )
