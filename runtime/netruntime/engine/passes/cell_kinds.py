"""Which cells are an LSTM, a GRU or a plain recurrent cell, by the structure of their next states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.elementwise.arithmetic import Add, Multiply, Subtract
from netdsl.ops.elementwise.kinds import Activation
from netdsl.ops.elementwise.smooth_activations import Sigmoid, Tanh
from netruntime.engine.passes.cells import Cell, Gate
from netruntime.native.activations import is_native
from netruntime.native.fused import CellSteps, GRUSteps, LSTMSteps, RNNSteps


@immutable
class Kind:
    """The operator that a cell is, with its gates in the order of its weights.

    Args:
        order: The place of each state of the operator among those of the cell.
        inner: For each gate, what it adds up within a product with another gate, if it does.
    """

    op: CellSteps
    gates: tuple[Gate, ...]
    order: tuple[int, ...] = (0,)
    inner: Gate = field(default_factory=Gate)


def kind_of(cell: Cell, after: Sequence[Port]) -> Kind | None:
    """What a cell with these next states is; None for another one."""
    if len(after) == 2:
        return _lstm(cell, after, 0, 1) or _lstm(cell, after, 1, 0)
    return (_rnn(cell, after[0]) or _gru(cell, after[0])) if len(after) == 1 else None


def _rnn(cell: Cell, after: Port) -> Kind | None:
    """`h' = activation(gate)`."""
    activation = cell.op(after)
    if not isinstance(activation, Activation) or not is_native(activation):
        return None
    gate = cell.gate(cell.arguments(after)[0])
    return Kind(RNNSteps(activation=activation), (gate,)) if gate.is_product_of(cell.states[0]) else None


def _lstm(cell: Cell, after: Sequence[Port], h: int, c: int) -> Kind | None:
    """`c' = sigmoid(f) c + sigmoid(i) tanh(g)` and `h' = sigmoid(o) tanh(c')`."""
    old, new = cell.states[c], after[c]
    for o, squashed in cell.pairs(after[h], Multiply):
        for kept, added in cell.pairs(new, Add):
            for f, before in cell.pairs(kept, Multiply):
                for i, g in cell.pairs(added, Multiply):
                    kinds = [cell.is_a(one, Sigmoid) for one in (i, f, o)]
                    if not all(kinds) or not cell.is_a(g, Tanh):
                        continue
                    if before != old or cell.argument(squashed, Tanh) != new:
                        continue
                    gates = tuple(cell.gate(cell.arguments(one)[0]) for one in (i, f, g, o))
                    seen: list[list[Port]] = [[old], [old], [], [new]]
                    fits = (
                        gate.is_product_of(cell.states[h], *ports)
                        for gate, ports in zip(gates, seen, strict=True)
                    )
                    return Kind(LSTMSteps(), gates, (h, c)) if all(fits) else None
    return None


def _gru(cell: Cell, after: Port) -> Kind | None:
    """`h' = (1 - z) n + z h`."""
    state = cell.states[0]
    for updated, kept in cell.pairs(after, Add):
        for z, before in cell.pairs(kept, Multiply):
            for rest, n in cell.pairs(updated, Multiply):
                if (
                    before == state
                    and cell.is_a(z, Sigmoid)
                    and cell.is_a(n, Tanh)
                    and _is_rest(cell, rest, z)
                ):
                    return _gru_of(cell, cell.gate(cell.arguments(z)[0]), cell.gate(cell.arguments(n)[0]))
    return None


def _is_rest(cell: Cell, port: Port, z: Port) -> bool:
    """Whether a value is `1 - z`."""
    if not cell.is_a(port, Subtract):
        return False
    one, other = cell.arguments(port)
    return other == z and one in cell.ones


def _gru_of(cell: Cell, update: Gate, new: Gate) -> Kind | None:
    """The GRU whose new gate adds `r (h U + c)`, or `(r h) U`."""
    state = cell.states[0]
    if not update.is_product_of(state) or new.seen or len(new.others) + len(new.products) != 1:
        return None
    reset_after = not new.products
    product = new.others[0] if reset_after else new.products[0][0]
    for r, other in cell.pairs(product, Multiply):
        reset = cell.gate(cell.argument(r, Sigmoid))
        inner = cell.gate(other) if reset_after else Gate(products=[(state, new.products[0][1])])
        if not reset.is_product_of(state) or not inner.is_product_of(state) or inner.inputs:
            continue
        if not reset_after and other != state:
            continue
        return Kind(GRUSteps(reset_after=reset_after), (reset, update, new), (0,), inner)
    return None
