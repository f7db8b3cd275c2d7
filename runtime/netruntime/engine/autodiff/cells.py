"""The backward pass of one step of a scan, in the graph of the scan's cell.

The graph holds the forward step first, then its backward pass. What the backward pass reads from outside, or
from the forward step, becomes an input of the backward scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from netdsl.dims import dim
from netdsl.graph import GraphTape, Node, Port, program_graph, values_at
from netdsl.immutable import immutable
from netdsl.model import Input
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netdsl.ops.sequence.scan import Scan, ScanInputs, ScanOutputs
from netruntime.engine.autodiff.backward import Backward, Gradients, OpGradient, Visit, carrying


@immutable
class DeferredProduct:
    """The gradient of a weight or a bias that is taken after the loop, in one product over all steps.

    Args:
        weight: The input of the cell that is the weight.
        rows: What is multiplied with it, `[B, I]`.
        gradient: What flows into the product, `[B, O]`.
    """

    weight: Port
    rows: Value
    gradient: Value


@dataclass
class CellValues:
    """Values of a forward step. A scalar is read by way of a row `[1]`: a sequence needs an axis.

    Args:
        whole: Inputs of the cell that are known outside: sequences and what is held.
        rows: The rows of the scalars read so far.
    """

    tape: GraphTape
    whole: set[Port]
    rows: set[Port] = field(default_factory=set)

    def value(self, port: Port) -> Value:
        value = self.tape.value(port)
        if value.rank or port in self.whole:
            return value
        row = value.reshape([1])
        self.rows.add(row.ref)
        return row.reshape([])

    def node(self, number: int) -> int:
        return number


class CellGraph:
    """The cell of a scan as a graph, with the whole values outside that it reads.

    Args:
        scan: The scan at `node`.
        outer: The values outside that the scan reads.
    """

    def __init__(self, scan: Scan, node: Node, outer: ScanInputs[Value | None]) -> None:
        self.scan = scan
        self.graph, results = program_graph(scan.program, "", node.span)
        self.count = len(self.graph)
        """How many nodes the forward step has; those after them are the backward pass."""
        self.tape = GraphTape(self.graph, replace(node, label="", stream=""))
        self.inputs: ScanInputs[Port] = scan.split_cell([(n, 0) for n in range(len(scan.program.inputs))])
        self.results: ScanOutputs[Port] = scan.split_outputs(results)
        self.sequences: dict[Port, Value] = values_at(self.inputs.sequences, outer.sequences)
        """Whole sequences by the input that gets one step of them."""
        self.held: dict[Port, Value] = values_at(self.inputs.held, outer.held)
        """Values that are the same at every step by the input that gets them."""
        self.values = CellValues(self.tape, {*self.sequences, *self.held})

    def sequence(self, name: str, whole: Value) -> Value:
        """A further input: one step of a whole sequence."""
        shape = (whole.shape[0], *whole.shape[2:])
        value = self.tape.input(name, whole.type.with_shape(shape))
        self.sequences[value.ref] = whole
        return value

    def hold(self, name: str, whole: Value) -> Value:
        """A further input that is the same at every step."""
        value = self.tape.input(name, whole.type)
        self.held[value.ref] = whole
        return value

    def is_read(self, port: Port) -> bool:
        """Whether the backward pass reads a value instead of computing it."""
        return self._is_forward(port) or isinstance(self.graph.node(port[0]).op, Input)

    def is_kept(self, port: Port) -> bool:
        """Whether a value is one of the forward step that the backward pass gets from the forward scan."""
        return self._is_forward(port) and port not in self.sequences and port not in self.held

    def _is_forward(self, port: Port) -> bool:
        return port[0] < self.count or port in self.values.rows


class CellBackward(Backward):
    """One step of the backward pass through a cell, and the products that it leaves for after the loop.

    Args:
        wanted: For each input of the cell, whether its gradient is wanted.
        valid: Which rows have not ended, `[B, T]`; None where no lengths are given.
    """

    def __init__(
        self,
        cell: CellGraph,
        wanted: ScanInputs[bool],
        valid: Value | None,
        special: Mapping[type[Op], OpGradient],
    ) -> None:
        super().__init__(cell.tape, _carrying(cell, wanted), cell.values, special)
        self.cell = cell
        self.wanted = wanted
        self.deferred: list[DeferredProduct] = []
        self.valid = None if valid is None else cell.sequence("valid", valid)
        self.states: dict[Port, Value] = {
            port: self.tape.input(f"d state {n}", self.tape.graph.type_of(port))
            for n, port in enumerate(cell.inputs.states)
            if port in self.carrying
        }
        """The gradients of states, as they come in from the step after."""

    def seed_results(self, grads: ScanOutputs[Value | None]) -> None:
        """Let in what flows into the outputs of the scan, one step of it, and into the next states."""
        results = self.cell.results
        for n, (port, whole) in enumerate(zip(results.outputs, grads.outputs, strict=True)):
            if whole is not None:
                self.seed(port, self._in_valid(self.cell.sequence(f"d output {n}", whole), 0))
        after = dict(zip(self.cell.inputs.states, results.states, strict=True))
        for state, gradient in self.states.items():
            self.seed(after[state], self._in_valid(gradient, 0))
        for n, (port, whole) in enumerate(zip(results.kept, grads.kept, strict=True)):
            if whole is not None:
                self.seed(port, self.cell.sequence(f"d kept {n}", whole))
        for n, (port, whole) in enumerate(zip(results.sums, grads.sums, strict=True)):
            if whole is not None:
                self.seed(port, self.cell.hold(f"d sum {n}", whole))

    def carried(self) -> dict[Port, Value]:
        """What the gradient of each state is one step earlier; rows that have ended keep it."""
        after = {}
        for state, gradient in self.states.items():
            total = self.gradient(state)
            after[state] = self._in_valid(total if total is not None else gradient.zeros(), gradient)
        return after

    def totals(self, ports: Sequence[Port], wanted: Sequence[bool]) -> dict[Port, Value]:
        """The gradients of those inputs whose gradients are wanted and that get one."""
        totals = {port: self.gradient(port) for port, flag in zip(ports, wanted, strict=True) if flag}
        return {port: total for port, total in totals.items() if total is not None}

    def gradients_of(self, visit: Visit) -> Gradients:
        results = super().gradients_of(visit)
        rows, *weights = visit.inputs
        if not self._is_product_with_held(visit.number, rows, weights):
            return results
        assert rows is not None and visit.grads[0] is not None
        left = self.forward.value(rows)
        self.deferred += [
            DeferredProduct(port, left, visit.grads[0])
            for port in weights
            if port is not None and port in self.carrying
        ]
        return results[:1]

    def _is_product_with_held(self, number: int, rows: Port | None, weights: Sequence[Port | None]) -> bool:
        """Whether a node multiplies rows `[B, I]` with a held matrix."""
        if not self.tape.graph.node(number).op.is_weight_product or rows is None:
            return False
        present = [port for port in weights if port is not None]
        ranks = [self.tape.graph.type_of(port).rank for port in (rows, present[0])]
        return ranks == [2, 2] and all(port in self.cell.inputs.held for port in present)

    def _in_valid(self, a: Value, b: Value | float) -> Value:
        """`a` in the rows that have not ended, `b` in the others."""
        if self.valid is None:
            return a
        return self.valid.reshape([self.valid.shape[0], *[dim(1)] * (a.rank - 1)]).select(a, b)


def _carrying(cell: CellGraph, wanted: ScanInputs[bool]) -> set[Port]:
    """The values that depend on a wanted input, through the states of other steps too."""
    inputs = (*cell.inputs.sequences, *cell.inputs.states, *cell.inputs.held)
    flags = (*wanted.sequences, *wanted.states, *wanted.held)
    carried = {port for port, flag in zip(inputs, flags, strict=True) if flag}
    pairs = list(zip(cell.inputs.states, cell.results.states, strict=True))
    while True:
        carried = carrying(cell.graph, carried, range(cell.count))
        more = {state for state, after in pairs if after in carried} - carried
        if not more:
            return carried
        carried |= more
