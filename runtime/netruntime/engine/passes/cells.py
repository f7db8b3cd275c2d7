"""The cell of a scan, read backwards: what the gates add up before their activations.

That may be computed for all gates at once and then split, or for each gate from parts of the weights: a
`Part` says which columns of which value it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netdsl.graph import Graph, Port
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.arithmetic import Add, Multiply
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.shape.join import Split


@immutable
class Part:
    """Columns of a value from `start` on, as many as there are units."""

    port: Port
    start: int = 0


@dataclass
class Gate:
    """What a gate adds up before its activation.

    Args:
        inputs: Parts of `[B, N]` that do not depend on the states.
        vectors: Parts of `[N]`.
        products: Values `[B, H]` with the part of the weights that they are multiplied by.
        seen: States `[B, H]` with the vector `[H]` that they are multiplied by, element by element.
        others: What is none of these.
    """

    inputs: list[Part] = field(default_factory=list)
    vectors: list[Part] = field(default_factory=list)
    products: list[tuple[Port, Part]] = field(default_factory=list)
    seen: list[tuple[Port, Part]] = field(default_factory=list)
    others: list[Port] = field(default_factory=list)

    def is_product_of(self, state: Port, *seen: Port) -> bool:
        """Whether it adds a product of this state, maybe one of these by a vector, and nothing unknown."""
        own = [port for port, _ in self.products] == [state] and not self.others
        return own and len(self.seen) <= 1 and all(port in seen for port, _ in self.seen)


@immutable
class Cell:
    """The graph of a cell and its inputs by role.

    Args:
        ones: The held inputs that are the constant 1.
        units: The size of the states.
    """

    graph: Graph
    sequences: frozenset[Port]
    states: tuple[Port, ...]
    held: frozenset[Port]
    ones: frozenset[Port]
    units: int

    def is_a(self, port: Port, op: type[Op]) -> bool:
        return isinstance(self.graph.node(port[0]).op, op)

    def op(self, port: Port) -> Op:
        return self.graph.node(port[0]).op

    def arguments(self, port: Port) -> list[Port]:
        return [read for read in self.graph.inputs_of(port[0]) if read is not None]

    def pairs(self, port: Port, op: type[Op]) -> Iterator[tuple[Port, Port]]:
        """The two operands of an operator in both orders; none if `port` is another one."""
        if self.is_a(port, op):
            a, b = self.arguments(port)
            yield a, b
            yield b, a

    def argument(self, port: Port, op: type[Op]) -> Port | None:
        """What a function of one operand is applied to."""
        return self.arguments(port)[0] if self.is_a(port, op) else None

    # -- sums -------------------------------------------------------------------------------------

    def gate(self, port: Port | None) -> Gate:
        """What a value adds up."""
        gate = Gate()
        if port is not None:
            self._add(gate, Part(port))
        return gate

    def _add(self, gate: Gate, part: Part) -> None:
        port, op = part.port, self.op(part.port)
        if port in self.sequences or port in self.held:
            self._add_given(gate, part)
        elif isinstance(op, Add):
            self._add_terms(gate, part)
        elif isinstance(op, Split):
            self._add(gate, self._before_split(part))
        elif isinstance(op, Linear | MatMul) and self._is_product(part):
            x, weight, *bias = self.arguments(port)
            gate.products.append((x, Part(weight, part.start)))
            gate.vectors += [Part(one, part.start) for one in bias]
        elif not self._add_seen(gate, part):
            gate.others.append(port)

    def _add_given(self, gate: Gate, part: Part) -> None:
        rank = self.graph.type_of(part.port).rank
        if not self._has_columns(part):
            gate.others.append(part.port)
        elif part.port in self.sequences and rank == 2 and self._has_rows(part.port):
            gate.inputs.append(part)
        elif part.port in self.held and rank == 1:
            gate.vectors.append(part)
        else:
            gate.others.append(part.port)

    def _add_terms(self, gate: Gate, part: Part) -> None:
        width = self.graph.type_of(part.port).shape[-1]
        for term in self.arguments(part.port):
            if self.graph.type_of(term).rank and self.graph.type_of(term).shape[-1] == width:
                self._add(gate, Part(term, part.start))
            else:
                gate.others.append(term)

    def _add_seen(self, gate: Gate, part: Part) -> bool:
        for a, b in self.pairs(part.port, Multiply):
            if b in self.held and self.graph.type_of(b).rank == 1 and self._has_columns(Part(b, part.start)):
                gate.seen.append((a, Part(b, part.start)))
                return True
        return False

    def _before_split(self, part: Part) -> Part:
        """The part of what was split along its last axis."""
        node, output = part.port
        split, (source,) = self.op(part.port), self.arguments(part.port)
        rank = self.graph.type_of(source).rank
        assert isinstance(split, Split)
        if split.axis not in (-1, rank - 1):
            return Part(source, -1)
        before = [self.graph.type_of((node, n)).shape[-1] for n in range(output)]
        if not all(size.is_fixed for size in before):
            return Part(source, -1)
        return Part(source, part.start + sum(map(int, before)))

    def _has_columns(self, part: Part) -> bool:
        size = self.graph.type_of(part.port).shape[-1]
        return size.is_fixed and 0 <= part.start <= int(size) - self.units

    def _has_rows(self, port: Port) -> bool:
        return self.graph.type_of(port).shape[0] == self.graph.type_of(self.states[0]).shape[0]

    def _is_product(self, part: Part) -> bool:
        """Whether it is a product of a matrix of states with a held one."""
        x, weight, *bias = self.arguments(part.port)
        ranks = [self.graph.type_of(one).rank for one in (x, weight)]
        is_held = self.held.issuperset([weight, *bias])
        is_matrix = ranks == [2, 2] and self.graph.type_of(x).shape[-1] == self.units
        return is_held and is_matrix and self._has_columns(Part(weight, part.start))
