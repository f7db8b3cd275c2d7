"""Recurrent cells over all steps: a loop over the records of one step; see recurrent.c."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.native.activations import function_of
from netruntime.native.builder import Builder
from netruntime.native.fused import CellSteps, GRUSteps, LSTMSteps, RNNSteps
from netruntime.native.layouts import LANES, blocks_of
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

Array = Any
MAX_PANEL, MAX_CHUNK = 8, 28
"""Blocks of a panel and rows of a task, as in recurrent.c."""
LENGTHS = ("i32", "i64")
"""Element types of lengths."""


def _accepts(step: Step) -> bool:
    """Weights that do not change, lengths of 32 or 64 bits, and no size of 0."""
    op, length = step.op, step.type_in(1)
    assert isinstance(op, CellSteps)
    lengths = length is None or (length.dtype in LENGTHS and not step.is_constant(1))
    weight = 2 + op.states
    types = [step.type_in(n) for n in range(len(step.inputs)) if n != 1]
    floats = all(type_ is None or type_.dtype == "f32" for type_ in types)
    sizes = [size for type_ in (*types, step.type_out) if type_ is not None for size in type_.shape]
    return lengths and floats and 0 not in sizes and step.is_constant(weight)


@immutable
class Panels:
    """Weights `[H, gates * H]` in panels: for `width` blocks of 16 units, the blocks of all gates."""

    hidden: int
    gates: int

    @property
    def width(self) -> int:
        """Blocks of units of a panel: about 8 blocks with all gates, to hide the latency of single rows."""
        return max(1, min(MAX_PANEL // self.gates, 4, blocks_of(self.hidden)))

    @property
    def count(self) -> int:
        return -(-blocks_of(self.hidden) // self.width)

    @property
    def block(self) -> int:
        """Floats of a block: a row more than it has, so that blocks lie in different lines of a cache."""
        return (self.hidden + 1) * LANES

    def pack(self, weight: Array) -> Array:
        units = self.count * self.width * LANES
        padded = np.zeros((self.hidden + 1, self.gates, units), np.float32)
        padded[:-1, :, : self.hidden] = weight.reshape(self.hidden, self.gates, self.hidden)
        blocks = padded.reshape(self.hidden + 1, self.gates, self.count, self.width, LANES)
        return blocks.transpose(2, 1, 3, 0, 4)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.count, self.gates, self.width, self.hidden + 1, LANES)


class _Cell:
    """What the records of a step have in common."""

    def __init__(self, step: Step, build: Builder) -> None:
        op, x = step.op, step.inputs[0]
        assert isinstance(op, CellSteps) and x is not None
        self.step, self.build, self.op = step, build, op
        self.batch, self.steps, self.columns = build.types[x].shape
        self.hidden = step.type_out.shape[2]
        self.x, self.y = build.plain(x), build.new_plain((step.node, 0))
        length = step.inputs[1]
        self.length = None if length is None else build.plain(length)
        self.long = 8 if length is not None and build.types[length].dtype == "i64" else 4

    def copied(self, slot: int, copies: int) -> Ref:
        """Room for a state, so many times, with the first one in it."""
        port = self.step.inputs[slot]
        assert port is not None
        at, size = self.build.temporary(copies * self.batch * self.hidden), self.state_bytes
        self.build.emit("copy", 1, [self.build.plain(port), at], [size, size])
        return at

    @property
    def state_bytes(self) -> int:
        return 4 * self.batch * self.hidden

    def deliver(self, output: int, at: Ref) -> None:
        """Let a last state be an output."""
        size = self.state_bytes
        self.build.emit("copy", 1, [at, self.build.new_plain((self.step.node, output))], [size, size])

    def weight(self, slot: int, gates: tuple[int, int]) -> Ref:
        """The weights of the gates from one number to another, packed."""
        port = self.step.inputs[slot]
        assert port is not None
        panels = Panels(self.hidden, gates[1] - gates[0])
        first, end = (self.hidden * n for n in gates)
        return self.build.constant(panels.shape, lambda weight: panels.pack(weight[:, first:end]), port)

    def optional(self, slot: int) -> Ref | None:
        port = self.step.inputs[slot] if len(self.step.inputs) > slot else None
        return None if port is None else self.build.plain(port)

    def emit(self, kernel: str, gates: int, refs: list[Ref | None], activation: Sequence[int] = ()) -> None:
        """One step: `refs` are the weights, the states, and what the kernel needs besides."""
        panels, reverse = Panels(self.hidden, gates), int(self.op.reverse)
        chunk = min(self.batch, MAX_CHUNK)
        tasks = panels.count * -(-self.batch // chunk)
        numbers = [self.batch, self.hidden, gates, panels.width, panels.block, chunk]
        numbers += [
            self.steps * self.columns,
            self.steps * self.hidden,
            self.steps,
            reverse,
            self.long,
            *activation,
        ]
        last, sign = (self.steps - 1, -1) if reverse else (0, 1)
        x, y = self.x.at(4 * last * self.columns), self.y.at(4 * last * self.hidden)
        advances = [4 * sign * self.columns, 0, 0, 4 * sign * self.hidden]
        weight, state, *more = refs
        self.build.emit(kernel, tasks, [x, weight, state, y, self.length, *more], numbers, advances)


def _lower_steps(step: Step, build: Builder, cell: _Cell, state: Ref) -> None:
    op = cell.op
    if isinstance(op, RNNSteps):
        cell.emit("rnn", 1, [cell.weight(3, (0, 1)), state], function_of(op.activation))
    elif isinstance(op, GRUSteps) and op.reset_after:
        cell.emit("gru", 3, [cell.weight(3, (0, 3)), state, cell.optional(4)])
    else:
        between = build.temporary(2 * cell.batch * cell.hidden)
        cell.emit("gru_gates", 2, [cell.weight(3, (0, 2)), state, None, None, between])
        cell.emit("gru", 1, [cell.weight(3, (2, 3)), state, None, None, between])


@lowers(RNNSteps, GRUSteps, accepts=_accepts, dtypes=("f32", "i32", "i64"))
def steps(step: Step, build: Builder) -> None:
    """A cell whose only state is its output."""
    cell = _Cell(step, build)
    state = cell.copied(2, 2)
    with build.loop(cell.steps):
        _lower_steps(step, build, cell, state)
    cell.deliver(1, state.at(cell.steps % 2 * cell.state_bytes))


@lowers(LSTMSteps, accepts=_accepts, dtypes=("f32", "i32", "i64"))
def lstm_steps(step: Step, build: Builder) -> None:
    """An LSTM; its cell state is updated in place."""
    cell = _Cell(step, build)
    state, more = cell.copied(2, 2), cell.copied(3, 1)
    peepholes, weight = cell.optional(5), cell.weight(4, (0, 4))
    with build.loop(cell.steps):
        cell.emit("lstm", 4, [weight, state, peepholes, more])
    cell.deliver(1, state.at(cell.steps % 2 * cell.state_bytes))
    cell.deliver(2, more)
