"""Recurrent cells over all steps of a sequence, as one operator each.

Only the passes of the native engine make them; their `forward` says what they mean. Each reads the products
of the inputs with the cell's weights, which were computed for all steps at once, and returns the states after
each step and the last ones. Sequences that have ended, by their length, keep their states and output 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, Category, Module, Op
from netdsl.ops.elementwise.kinds import Activation
from netdsl.ops.elementwise.smooth_activations import Sigmoid, Tanh
from netdsl.ops.numerics.functions import where
from netdsl.types import TensorType

States = tuple[Array, ...]
SIGMOID, TANH = Sigmoid(), Tanh()


@immutable
class CellSteps(Op):
    """A cell over all steps; `reverse` reads each sequence from its last valid step to its first.

    The products `x` are `[B, T, gates * H]`, the states `[B, H]`, the weights of the state `[H, gates * H]`.
    """

    category: ClassVar[Category] = "product"
    states: ClassVar[int] = 1
    gates: ClassVar[int] = 1

    reverse: bool = False

    def shape(
        self, x: TensorType, length: TensorType | None, *others: TensorType | None
    ) -> tuple[TensorType, ...]:
        states = [state for state in others[: self.states] if state is not None]
        return (x.with_shape((*x.shape[:2], states[0].shape[1])), *states)


def all_steps(
    xp: Module, op: CellSteps, x: Array, length: Array | None, states: States, step: Callable[..., States]
) -> States:
    """The first state after each step, and the last states; `step(x, *states)` gives the next states."""
    outputs = []
    for t in range(x.shape[1] - 1, -1, -1) if op.reverse else range(x.shape[1]):
        after = step(x[:, t], *states)
        output = after[0]
        if length is not None:
            valid = (t < length)[:, None]
            output = where(xp, valid, output, xp.zeros_like(output))
            after = tuple(where(xp, valid, new, old) for new, old in zip(after, states, strict=True))
        states = after
        outputs.append(output)
    if not outputs:
        return (xp.zeros((x.shape[0], 0, states[0].shape[1]), dtype=x.dtype), *states)
    return (xp.stack(outputs[::-1] if op.reverse else outputs, axis=1), *states)


@immutable
class RNNSteps(CellSteps):
    """`h' = activation(x + h U)`."""

    name = "rnn_steps"
    inputs = ("x", "length?", "h", "U")

    activation: Activation = TANH

    def forward(self, xp: Module, x: Array, length: Array | None, h: Array, U: Array) -> States:
        def step(x: Array, h: Array) -> States:
            return (self.activation.forward(xp, x + h @ U),)

        return all_steps(xp, self, x, length, (h,), step)


@immutable
class LSTMSteps(CellSteps):
    """`c' = sigmoid(f) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`; `i, f, g, o` are `x + h U`.

    Peepholes `p` `[3, H]` add `c p[0]` to `i`, `c p[1]` to `f`, and `c' p[2]` to `o`.
    """

    name = "lstm_steps"
    inputs = ("x", "length?", "h", "c", "U", "p?")
    states = 2
    gates = 4

    def forward(self, xp: Module, x: Array, length: Array | None, *others: Array) -> States:
        h, c, U, p = (*others, None)[:4]

        def step(x: Array, h: Array, c: Array) -> States:
            i, f, g, o = xp.split(x + h @ U, 4, axis=-1)
            if p is not None:
                i, f = i + c * p[0], f + c * p[1]
            c = SIGMOID.forward(xp, f) * c + SIGMOID.forward(xp, i) * TANH.forward(xp, g)
            o = o if p is None else o + c * p[2]
            return SIGMOID.forward(xp, o) * TANH.forward(xp, c), c

        return all_steps(xp, self, x, length, (h, c), step)


@immutable
class GRUSteps(CellSteps):
    """`h' = (1 - z) n + z h`, where `r` and `z` are the sigmoids of their parts of `x + h U`.

    With `reset_after`, `n` is `tanh(x_n + r (h U_n + c))`, else `tanh(x_n + (r h) U_n)`.
    """

    name = "gru_steps"
    inputs = ("x", "length?", "h", "U", "c?")
    gates = 3

    reset_after: bool = True

    def forward(self, xp: Module, x: Array, length: Array | None, *others: Array) -> States:
        h, U, c = (*others, None)[:3]
        hidden = h.shape[1]
        both, new = U[:, : 2 * hidden], U[:, 2 * hidden :]

        def step(x: Array, h: Array) -> States:
            gates = SIGMOID.forward(xp, x[:, : 2 * hidden] + h @ both)
            r, z = gates[:, :hidden], gates[:, hidden:]
            product = (h if self.reset_after else r * h) @ new
            product = product if c is None else product + c
            product = r * product if self.reset_after else product
            return ((1 - z) * TANH.forward(xp, x[:, 2 * hidden :] + product) + z * h,)

        return all_steps(xp, self, x, length, (h,), step)
