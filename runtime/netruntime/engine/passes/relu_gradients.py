"""A rule that makes one operator of the gradient of relu."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Graph, Node, Port
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Constant
from netdsl.ops.elementwise.arithmetic import Multiply
from netdsl.ops.elementwise.cast import Cast
from netdsl.ops.elementwise.comparison import Greater
from netruntime.engine.passes.rewrite import RewriteTape
from netruntime.native.fused import ReluGradient


def fuse_relu_gradient(
    tape: RewriteTape, node: Node, inputs: Sequence[Value | None]
) -> Sequence[Value] | None:
    """`dy * cast(y > 0)` as one operator, for arrays of one shape and type."""
    if not isinstance(node.op, Multiply):
        return None
    dy, mask = inputs
    if dy is None or mask is None or not isinstance(tape.graph.node(mask.ref[0]).op, Cast):
        return None
    y = _above_zero(tape.graph, tape.graph.inputs_of(mask.ref[0])[0])
    if y is None or not (tape.graph.type_of(y) == dy.type == mask.type):
        return None
    return [dy.apply(ReluGradient(), tape.value(y))]


def _above_zero(graph: Graph, mask: Port | None) -> Port | None:
    """`y` if the mask is `y > 0`."""
    if mask is None or not isinstance(graph.node(mask[0]).op, Greater):
        return None
    y, limit = graph.inputs_of(mask[0])
    zero = None if limit is None else graph.node(limit[0]).op
    return y if isinstance(zero, Constant) and zero.value == 0 else None
