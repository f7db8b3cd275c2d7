"""The values of the forward pass as the backward pass reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Protocol

from netdsl.graph import GraphTape, Node, Port
from netdsl.model import Input, Parameter
from netdsl.ops.contract.value import Value

PREFIX = "again"
"""Label paths of what is computed a second time begin with this."""


class ForwardValues(Protocol):
    """Where the backward pass finds values of the forward pass."""

    def value(self, port: Port) -> Value:
        """A value of the forward pass."""
        ...

    def node(self, number: int) -> int:
        """The node that makes these values for the backward pass."""
        ...


def under(node: Node, prefix: str) -> Node:
    """The node with this prefix before all its label paths."""
    chain = tuple(replace(frame, label=f"{prefix}.{frame.label}") for frame in node.chain)
    return replace(node, label=f"{prefix}.{node.label}", chain=chain)


@dataclass
class Recomputed:
    """Values computed again instead of kept, where a pattern says so (Chen et al. 2016).

    A block whose label matches a pattern keeps only its inputs. Its activations are computed a second time
    right before the backward pass of the block, from the same inputs and with the same random numbers,
    and the first ones are freed as soon as the forward pass no longer needs them.
    """

    tape: GraphTape
    patterns: Sequence[str]
    clones: dict[int, int] = field(default_factory=dict)

    def value(self, port: Port) -> Value:
        return self.tape.value((self.node(port[0]), port[1]))

    def node(self, number: int) -> int:
        """The clone of a node that is to be computed again, or the node itself."""
        segment = self._segment(number)
        if segment is None:
            return number
        if number not in self.clones:
            for inner in self._inside(number, segment):
                self._clone(inner)
        return self.clones[number]

    def _segment(self, number: int) -> str | None:
        """The label of the outermost block around a node that is to be computed again."""
        node = self.tape.graph.node(number)
        if not self.patterns or isinstance(node.op, (Input, Parameter)):
            return None
        labels = (frame.label for frame in node.chain)
        return next((label for label in labels if any(fnmatchcase(label, p) for p in self.patterns)), None)

    def _inside(self, number: int, segment: str) -> list[int]:
        """The nodes of the segment that this one depends on and that have no clone yet, in order."""
        inside: set[int] = set()
        waiting = [number]
        while waiting:
            here = waiting.pop()
            if here in inside or here in self.clones or self._segment(here) != segment:
                continue
            inside.add(here)
            waiting += self.tape.graph.predecessors(here)
        return sorted(inside)

    def _clone(self, number: int) -> None:
        node = self.tape.graph.node(number)
        inputs = [
            None if port is None else (self.clones.get(port[0], port[0]), port[1])
            for port in self.tape.graph.inputs_of(number)
        ]
        again = replace(under(node, PREFIX), stream=node.stream or node.label)
        self.clones[number] = self.tape.graph.add(again, inputs)
