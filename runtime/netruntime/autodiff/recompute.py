"""Values that the backward pass computes again instead of keeping (Chen et al. 2016).

A block whose label matches a pattern keeps only what goes into it. Its inner values are made a second time
right before the backward pass of the block, from the same inputs and with the same random numbers, and the
first ones die as soon as the forward pass is through with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from netdsl.graph import Port
from netdsl.model import Input, Parameter
from netdsl.ops.contract.value import Value
from netruntime.autodiff.tape import GraphTape, under

PREFIX = "again"
"""Label paths of what is computed a second time begin with this."""


@dataclass
class Recomputed:
    """Forward values as the backward pass sees them: recomputed where a pattern says so."""

    tape: GraphTape
    patterns: Sequence[str]
    clones: dict[int, int] = field(default_factory=dict)

    def value(self, port: Port) -> Value:
        return self.tape.value((self.node(port[0]), port[1]))

    def node(self, node: int) -> int:
        """The node that makes these values for the backward pass: a clone, or the node itself."""
        segment = self._segment(node)
        if segment is None:
            return node
        if node not in self.clones:
            for inner in self._inside(node, segment):
                self._clone(inner)
        return self.clones[node]

    def _segment(self, node: int) -> str | None:
        """The label of the outermost block around a node that is to be recomputed."""
        data = self.tape.graph.node(node)
        if not self.patterns or isinstance(data.op, (Input, Parameter)):
            return None
        labels = (frame.label for frame in data.chain)
        return next((label for label in labels if any(fnmatchcase(label, p) for p in self.patterns)), None)

    def _inside(self, node: int, segment: str) -> list[int]:
        """The nodes of the segment that this one depends on and that have no clone yet, in order."""
        found, waiting = set(), [node]
        while waiting:
            here = waiting.pop()
            if here in found or here in self.clones or self._segment(here) != segment:
                continue
            found.add(here)
            waiting += self.tape.graph.predecessors(here)
        return sorted(found)

    def _clone(self, node: int) -> None:
        data = self.tape.graph.node(node)
        inputs = [
            None if port is None else (self.clones.get(port[0], port[0]), port[1])
            for port in self.tape.graph.inputs_of(node)
        ]
        again = replace(under(data, PREFIX), stream=data.stream or data.label)
        self.clones[node] = self.tape.graph.add(again, inputs)
