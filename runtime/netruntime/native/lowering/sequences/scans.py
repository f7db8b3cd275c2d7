"""Scans: a loop over the records of one step of their cell; see loop.c.

Sequences lie with time as their outermost axis, so that each step reads and writes contiguous memory, and
the pointers to them advance from one time to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.ops.elementwise.comparison import Less
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.sequence.scan import Scan, ScanInputs, ScanOutputs
from netruntime.native.builder import Builder
from netruntime.native.fused import CellSteps, Fused
from netruntime.native.lowering.elements import emit_binary
from netruntime.native.lowering.packing import BIAS, MATRIX, pack_bias, pack_matrix
from netruntime.native.lowering.registry import ANY, LOWERINGS, accepts, lowers
from netruntime.native.lowering.selection import emit_choice, emit_comparison
from netruntime.native.memory import Ref
from netruntime.native.steps import ArrayType, Step
from netruntime.native.views import View, contiguous

SPAN = 1_000_000
"""Node numbers that the values of a cell get, below those of the graph."""
LENGTHS = ("i32", "i64")
"""Element types of lengths."""


@immutable
class Cell:
    """The program of a scan as steps of their own.

    Args:
        inputs, outputs: Its values by role.
        types: Of all values.
    """

    inputs: ScanInputs[Port]
    steps: Sequence[Step]
    outputs: ScanOutputs[Port]
    types: Mapping[Port, ArrayType]


def cell_of(step: Step) -> Cell:
    """The cell of a scan without free sizes; its nodes have numbers below 0."""
    scan = step.op
    assert isinstance(scan, Scan)
    program, first = scan.program, -1 - step.node * SPAN
    count = len(program.inputs)
    ports = [(first - n, 0) for n in range(count)]
    for n, one in enumerate(program.steps, count):
        ports += [(first - n, k) for k in range(len(one.types))]
    types = {
        port: ArrayType(type_.dtype.value, tuple(size.evaluate({}) for size in type_.shape))
        for port, type_ in zip(ports, program.types, strict=True)
    }
    steps = []
    for n, one in enumerate(program.steps, count):
        inputs = tuple(None if i is None else ports[i] for i in one.inputs)
        steps.append(Step(first - n, one.op, inputs, len(one.types), types, frozenset()))
    outputs = scan.split_outputs([ports[n] for n in program.outputs])
    return Cell(scan.split_cell(ports[:count]), steps, outputs, types)


def _accepts(step: Step) -> bool:
    """Cells whose operators have kernels, without random numbers and states that grow."""
    scan = step.op
    assert isinstance(scan, Scan)
    if any(scan.grows) or scan.draws or not step.has_elements:
        return False
    outer = scan.split_inputs(step.inputs)
    if None in (*outer.sequences, *outer.states, *outer.held):
        return False
    length = step.type_in(scan.sequences)
    if length is not None and (length.dtype not in LENGTHS or step.is_constant(scan.sequences)):
        return False
    return all(map(_has_records, cell_of(step).steps))


def _has_records(step: Step) -> bool:
    """Whether a step of a cell has a kernel that needs no room around images."""
    if not step.inputs:
        return step.dtypes <= set(ANY)
    own = isinstance(step.op, Scan | CellSteps)
    return not own and accepts(step) and not LOWERINGS[type(step.op)].borders(step)


@lowers(Scan, accepts=_accepts, dtypes=ANY)
def scan(step: Step, build: Builder) -> None:
    """The steps of the cell that depend on time in a loop, the others before it."""
    _Lowering(step, build).run()


class _Lowering:
    """Where the values of one scan are."""

    def __init__(self, step: Step, build: Builder) -> None:
        assert isinstance(step.op, Scan)
        self.step, self.build, self.op = step, build, step.op
        self.cell = cell_of(step)
        self.outer = self.op.split_inputs(step.inputs)
        first = self.outer.sequences[0]
        assert first is not None
        self.batch, self.times = build.types[first].shape[:2]
        build.types = {**build.types, **self.cell.types}

    def run(self) -> None:
        self._take_inputs()
        self.valid = self._valid()
        self.states = [self._started(n) for n in range(self.op.states)]
        self.sums = [self._room(port, -0.0) for port in self.cell.outputs.sums]
        made = (*self.cell.outputs.outputs, *self.cell.outputs.kept)
        self.sequences = [self._over_time(port) for port in made]
        in_loop = self._before_loop()
        with self.build.loop(self.times):
            for one in in_loop:
                LOWERINGS[type(one.op)].lower(one, self.build)
            self._end_step()
        self._give_outputs()

    # -- before the loop --------------------------------------------------------------------------

    def _take_inputs(self) -> None:
        build, inner = self.build, self.cell.inputs
        for port, outer in zip(inner.sequences, self.outer.sequences, strict=True):
            assert outer is not None
            order = [1, 0, *range(2, len(build.types[outer].shape))]
            build.plains[port] = self._moving(build.in_order(outer, order), build.types[port].nbytes)
        for port, outer in zip(inner.held, self.outer.held, strict=True):
            assert outer is not None
            build.show(port, build.view(outer))

    def _moving(self, at: Ref, size: int) -> Ref:
        """A place in a sequence at the first time, which moves on by so many bytes."""
        if self.op.reverse:
            return Ref(at.buffer, at.offset + size * (self.times - 1), -size)
        return Ref(at.buffer, at.offset, size)

    def _over_time(self, port: Port) -> View:
        """Room for a value at all times, as `[T, B, ...]`."""
        type_ = self.build.types[port]
        shape = (self.times, *type_.shape)
        at = self.build.temporary_bytes(self.times * type_.nbytes)
        return View(at, shape, contiguous(shape), type_.itemsize)

    def _whole(self, port: Port, at: Ref) -> View:
        type_ = self.build.types[port]
        return View(at, type_.shape, contiguous(type_.shape), type_.itemsize)

    def _room(self, port: Port, value: float) -> View:
        """Room for a value, filled with a number; -0 is what changes no sum."""
        target = self._whole(port, self.build.temporary_bytes(self.build.types[port].nbytes))
        self.build.copy(self._number(port, value), target)
        return target

    def _number(self, port: Port, value: float) -> View:
        """A number of the value's type in place of all its elements."""
        type_ = self.build.types[port]
        at = self.build.fixed(np.array(value, type_.numpy_name))
        return View(at, (), (), type_.itemsize).expanded(type_.shape)

    def _started(self, n: int) -> View:
        """A state before the first step, where the cell reads it."""
        outer, port = self.outer.states[n], self.cell.inputs.states[n]
        assert outer is not None
        target = self._whole(port, self.build.temporary_bytes(self.build.types[port].nbytes))
        self.build.copy(self.build.view(outer), target)
        self.build.plains[port] = target.at
        return target

    def _valid(self) -> Ref | None:
        """Which sequences have not ended, at each time."""
        port, build = self.outer.length, self.build
        if port is None:
            return None
        length = build.types[port]
        times = np.arange(self.times, dtype=length.numpy_name)
        shape = (self.times, self.batch)
        now = View(build.fixed(times), (self.times, 1), (1, 1), length.itemsize).expanded(shape)
        at = build.temporary_bytes(self.times * self.batch)
        emit_comparison(build, Less, (now, build.view(port).expanded(shape)), at, length.dtype)
        return self._moving(at, self.batch)

    def _before_loop(self) -> list[Step]:
        """Lower what is the same at all times; the steps that are left."""
        same, left = set(self.cell.inputs.held), []
        for one in self.cell.steps:
            if not same.issuperset(port for port in one.inputs if port is not None):
                left.append(one)
                continue
            same |= {(one.node, n) for n in range(one.outputs)}
            if one.inputs:
                LOWERINGS[type(one.op)].lower(one, self.build)
            else:
                self.build.plains[one.node, 0] = self.build.fixed(one.op.forward(np))
        for one in left:
            self._pack(one, same)
        return left

    def _pack(self, one: Step, same: set[Port]) -> None:
        """Pack a matrix and a bias that are the same at all times."""
        if not isinstance(one.op, Linear | MatMul | Fused):
            return
        weight, bias = one.read(1), one.optional(2)
        outer = dict(zip(self.cell.inputs.held, self.outer.held, strict=True))
        known = self.build.known
        if weight in same and len(self.build.types[weight].shape) == 2:
            known[MATRIX, weight] = pack_matrix(self.build, outer.get(weight) or weight)
        if bias is not None and bias in same:
            known[BIAS, bias] = pack_bias(self.build, outer.get(bias) or bias)

    # -- the end of a step ------------------------------------------------------------------------

    def _end_step(self) -> None:
        """Put what the step made in its place: sequences and sums first, then what the next step reads."""
        made, build = self.cell.outputs, self.build
        ended = self.valid is not None
        for n, (port, whole) in enumerate(zip((*made.outputs, *made.kept), self.sequences, strict=True)):
            now = self._whole(port, self._moving(whole.at, build.types[port].nbytes))
            masked = ended and n < len(made.outputs)
            self._put(port, build.view(port), now, self._number(port, 0) if masked else None)
        for port, total in zip(made.sums, self.sums, strict=True):
            emit_binary(build, Add, (total, build.view(port)), total.at)
        own = {state.at.buffer for state in self.states}
        after = [build.view(port) for port in made.states]
        after = [self._copied(view) if view.at.buffer in own else view for view in after]
        for port, view, state in zip(made.states, after, self.states, strict=True):
            self._put(port, view, state, state if ended else None)

    def _copied(self, view: View) -> View:
        at = self.build.temporary_bytes(int(np.prod(view.shape)) * view.itemsize)
        target = View(at, view.shape, contiguous(view.shape), view.itemsize)
        self.build.copy(view, target)
        return target

    def _put(self, port: Port, view: View, target: View, ended: View | None) -> None:
        """A value in its place, or another one in the rows of sequences that have ended."""
        if ended is None or self.valid is None:
            self.build.copy(view, target)
            return
        shape = self.build.types[port].shape
        rows = View(self.valid, (self.batch, *[1] * (len(shape) - 1)), (1, *[1] * (len(shape) - 1)), 1)
        emit_choice(self.build, (rows.expanded(shape), view, ended), target.at)

    # -- after the loop ---------------------------------------------------------------------------

    def _give_outputs(self) -> None:
        count = len(self.cell.outputs.outputs)
        over_time = [whole.must(lambda array: array.swapaxes(0, 1)) for whole in self.sequences]
        views = [*over_time[:count], *self.states, *self.sums, *over_time[count:]]
        for n, view in enumerate(views):
            self.build.show((self.step.node, n), view)
