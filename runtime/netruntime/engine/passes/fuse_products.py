"""Rules that let a product end with what follows it: a residual that is added, and an activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.graph import Node
from netdsl.ops.contract.value import Value
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.ops.elementwise.kinds import Activation
from netdsl.ops.linear.linear import Linear
from netruntime.engine.passes.rewrite import RewriteTape
from netruntime.native.activations import is_native
from netruntime.native.fused import Fused


def fuse_activation(tape: RewriteTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """`activation(product)` as one operator, where nothing else reads the product."""
    if not isinstance(node.op, Activation) or not is_native(node.op):
        return None
    product = _product(tape, inputs[0])
    if product is None or product[0].activation is not None:
        return None
    tape.origin = _node_of(tape, inputs[0])
    return _made(product[1], replace(product[0], activation=node.op))


def fuse_residual(tape: RewriteTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """`product + residual` of one shape as one operator, where nothing else reads the product."""
    if not isinstance(node.op, Add):
        return None
    for value, residual in (inputs, inputs[::-1]):
        product = _product(tape, value)
        if product is None or product[0].activation is not None or len(product[1]) > 3:
            continue
        if value is not None and residual is not None and value.type == residual.type:
            parts = [*product[1], *[None] * (3 - len(product[1])), residual]
            tape.origin = _node_of(tape, value)
            return _made(parts, product[0])
    return None


def _product(tape: RewriteTape, value: Value | None) -> tuple[Fused, list[Value | None]] | None:
    """The product that a value is, with its inputs, if it is read once."""
    if value is None or tape.uses[value.ref] != 1:
        return None
    op = tape.graph.node(value.ref[0]).op
    inputs = [None if port is None else tape.value(port) for port in tape.graph.inputs_of(value.ref[0])]
    if isinstance(op, Fused):
        return op, inputs
    return (Fused(op), inputs) if isinstance(op, Conv | Linear) else None


def _node_of(tape: RewriteTape, value: Value | None) -> Node:
    """The product itself, whose label and place the new operator keeps."""
    assert value is not None
    return tape.graph.node(value.ref[0])


def _made(inputs: Sequence[Value | None], op: Fused) -> list[Value]:
    first, *others = inputs
    assert first is not None
    return [first.apply(op, *others)]
