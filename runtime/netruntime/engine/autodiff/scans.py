"""The gradient of a scan: a scan in the other direction (Werbos 1990, backpropagation through time).

The forward scan is made to keep what the formulas look at, step by step. The backward scan carries the
gradients of the states, gives those of the sequences, and sums those of what is held. A product of the
state with a held matrix gets its matrix gradient after the loop, in one product over all steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from netdsl.diagnostics import error
from netdsl.graph import GraphTape, Port, program_of, trace
from netdsl.immutable import immutable
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Range
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.sequence.scan import Scan, ScanOutputs
from netruntime.engine.autodiff.backward import Gradients, Visit
from netruntime.engine.autodiff.cells import CellBackward, CellGraph, DeferredProduct
from netruntime.engine.autodiff.forward import ForwardValues


def scan_gradient(tape: GraphTape, visit: Visit, forward: ForwardValues) -> Gradients:
    """The gradients of a scan's inputs, None for those not wanted.

    The scan gets further outputs, for what is kept of each step.

    Raises:
        NetError: E1133 for a scan whose state grows.
    """
    node = tape.graph.node(visit.number)
    scan = node.op
    assert isinstance(scan, Scan)
    if any(scan.grows):
        help = "train with attention over the whole sequence; the growing state is for running"
        message = "a scan whose state grows has no gradient"
        raise error("E1133", message, node.user_span, path=node.label, help=help)
    return _ScanGradient(tape, scan, visit, forward).results()


@immutable
class _Results:
    """What the backward scan gives, by inputs of the cell and as values of it."""

    sequences: dict[Port, Value]
    states: dict[Port, Value]
    held: dict[Port, Value]
    kept: Sequence[Value]

    def by_input(self) -> dict[Port, Value]:
        return self.sequences | self.states | self.held

    def all(self) -> list[Value]:
        """In the order of a scan's outputs."""
        return [*self.by_input().values(), *self.kept]


class _ScanGradient:
    """Makes the backward scan, and lets the forward scan keep what it needs."""

    def __init__(self, tape: GraphTape, scan: Scan, visit: Visit, forward: ForwardValues) -> None:
        self.tape = tape
        self.scan = scan
        self.number = forward.node(visit.number)
        values = [None if port is None else forward.value(port) for port in visit.inputs]
        self.outer = scan.split_inputs(values)
        self.grads = scan.split_outputs(list(visit.grads))
        self.cell = CellGraph(scan, tape.graph.node(self.number), self.outer)
        wanted = scan.split_inputs(visit.wanted)
        self.back = CellBackward(self.cell, wanted, self._valid(), {Scan: scan_gradient})

    def _valid(self) -> Value | None:
        """Which sequences have not ended at each step, `[B, T]`; None where no lengths are given."""
        lengths = self.outer.length
        if lengths is None:
            return None
        steps = self._sequence().shape[1]
        times = lengths.make(Range(steps, dtype=lengths.dtype)).reshape([1, steps])
        return times < lengths.reshape([lengths.shape[0], 1])

    def _sequence(self) -> Value:
        """A sequence that the scan runs along."""
        first = self.outer.sequences[0]
        assert first is not None
        return first

    def results(self) -> Gradients:
        """The gradients by input of the operator."""
        self.back.seed_results(self.grads)
        self.back.run()
        inside, pairs = self._inside()
        whole = self._whole(inside, pairs)
        outside = self._backward_scan(inside, whole)
        totals = (*outside.outputs, *outside.states, *outside.sums)
        gradients = dict(zip(inside.by_input(), totals, strict=True))
        steps = [*inside.sequences.values(), *inside.kept], [*outside.outputs, *outside.kept]
        whole |= {value.ref: over_time for value, over_time in zip(*steps, strict=True)}
        for product in self.back.deferred:
            gradient = self._after_the_loop(product, whole[product.rows.ref], whole[product.gradient.ref])
            known = gradients.get(product.weight)
            gradients[product.weight] = gradient if known is None else known + gradient
        inputs = self.cell.inputs
        states = [*map(gradients.get, inputs.states), *map(gradients.get, inputs.held)]
        return [*map(gradients.get, inputs.sequences), None, *states]

    def _inside(self) -> tuple[_Results, list[Value]]:
        """What one backward step computes, and all that is needed of it after the loop."""
        back, inputs = self.back, self.cell.inputs
        carried = back.carried()
        sequences = back.totals(inputs.sequences, back.wanted.sequences)
        held = back.totals(inputs.held, back.wanted.held)
        pairs = [value for product in back.deferred for value in (product.rows, product.gradient)]
        known = {value.ref for value in sequences.values()} | self.cell.sequences.keys()
        extra = {
            value.ref: value for value in pairs if value.ref not in known and not self.cell.is_kept(value.ref)
        }
        return _Results(sequences, carried, held, list(extra.values())), pairs

    def _whole(self, inside: _Results, pairs: Iterable[Value]) -> dict[Port, Value]:
        """The whole sequences that the backward scan, and the products after it, read steps of."""
        wanted = [value.ref for value in (*inside.all(), *pairs)]
        read = trace(self.cell.graph, wanted, self.cell.is_read).given
        kept = [port for port in read if self.cell.is_kept(port)]
        whole = {port: value for port, value in self.cell.sequences.items() if port in read}
        whole |= self._keep(kept)
        if not whole:  # a scan runs along something
            whole = {self.cell.inputs.sequences[0]: self._sequence()}
        return whole

    def _keep(self, ports: Sequence[Port]) -> dict[Port, Value]:
        """Make the forward scan keep these values of its cell; the sequences of them."""
        node, cell = self.tape.graph.node(self.number), self.cell
        already = list(cell.results.kept)
        new = [port for port in ports if port not in already]
        results = [*cell.results.outputs, *cell.results.states, *cell.results.sums, *already, *new]
        inputs = [(n, 0) for n in range(len(self.scan.program.inputs))]
        program = program_of(cell.graph, inputs, results)
        steps = self._sequence().shape[1]
        types = [cell.graph.type_of(port) for port in new]
        over = [type_.with_shape((type_.shape[0], steps, *type_.shape[1:])) for type_ in types]
        scan = replace(self.scan, program=program, kept=self.scan.kept + len(new))
        self.tape.graph.put(self.number, node.with_op(scan, (*node.types, *over)))
        first = len(node.types) - len(already)
        places = {port: first + n for n, port in enumerate([*already, *new])}
        return {port: self.tape.value((self.number, places[port])) for port in ports}

    def _backward_scan(self, inside: _Results, whole: dict[Port, Value]) -> ScanOutputs[Value]:
        """Add the scan that runs the backward step over time; its outputs."""
        back, cell = self.back, self.cell
        outputs = [value.ref for value in inside.all()]
        read = trace(cell.graph, outputs, cell.is_read).given
        order = [port for port in whole if port in read] or list(whole)[:1]
        held = [port for port in cell.held if port in read]
        inputs = [*order, *(value.ref for value in back.states.values()), *held]
        scan = Scan(
            program_of(cell.graph, inputs, outputs),
            len(order),
            len(back.states),
            not self.scan.reverse,
            sums=len(inside.held),
            kept=len(inside.kept),
        )
        first, *others = [whole[port] for port in order]
        lasts = [self._last_gradient(state) for state in back.states]
        results = first.apply_all(scan, *others, None, *lasts, *(cell.held[port] for port in held))
        return scan.split_outputs(results)

    def _last_gradient(self, state: Port) -> Value:
        """What flows into a state after its last step."""
        place = self.cell.inputs.states.index(state)
        gradient, start = self.grads.states[place], self.outer.states[place]
        assert start is not None
        return gradient if gradient is not None else start.zeros()

    def _after_the_loop(self, product: DeferredProduct, rows: Value, gradient: Value) -> Value:
        """The gradient of a matrix or of a bias over all steps: time is folded into the rows."""
        count = gradient.shape[0] * gradient.shape[1]
        flat = gradient.reshape([count, gradient.shape[2]])
        if self.cell.graph.type_of(product.weight).rank == 1:
            return flat.sum([0])
        columns = rows.reshape([count, rows.shape[2]]).transpose([1, 0])
        return columns.apply(MatMul(), flat)
