"""A rule that moves the scale and shift of a batch norm into the weights of the convolution before it."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Node
from netdsl.model import Parameter
from netdsl.ops.contract.value import Value
from netdsl.ops.conv.conv import Conv
from netdsl.ops.norm.norm import BatchNorm
from netruntime.engine.passes.rewrite import RewriteTape


def fold_norm(tape: RewriteTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """`batch_norm(conv(x, w, b), mean, var, g, h)` as `conv(x, w s, (b - mean) s + h)`.

    There, `s` is `g / sqrt(var + eps)`. The new weights depend on weights alone, so they are computed once.
    None where something else reads the convolution, or where the statistics are not weights.
    """
    norm = node.op
    if not isinstance(norm, BatchNorm) or inputs[0] is None:
        return None
    source = tape.graph.node(inputs[0].ref[0])
    if not isinstance(source.op, Conv) or tape.uses[inputs[0].ref] != 1:
        return None
    x, weight, bias = (*_inputs(tape, inputs[0].ref[0]), None)[:3]
    others = [weight, bias, *inputs[1:]]
    if x is None or weight is None or not all(value is None or _is_weight(tape, value) for value in others):
        return None
    tape.origin = source
    mean, variance, gain, shift = (*inputs[1:], None, None)[:4]
    assert mean is not None and variance is not None
    scale = (variance + norm.eps) ** -0.5
    scale = scale if gain is None else scale * gain
    offset = -mean * scale if bias is None else (bias - mean) * scale
    offset = offset if shift is None else offset + shift
    scaled = weight * scale.reshape([weight.shape[0], *[1] * (weight.rank - 1)])
    return [x.apply(source.op, scaled, offset)]


def _inputs(tape: RewriteTape, number: int) -> list[Value | None]:
    return [None if port is None else tape.value(port) for port in tape.graph.inputs_of(number)]


def _is_weight(tape: RewriteTape, value: Value) -> bool:
    return isinstance(tape.graph.node(value.ref[0]).op, Parameter)
