"""The gradients of normalisations over the last axes; see norm_gradient.c."""

from __future__ import annotations

from math import prod

from netdsl.ops.norm.norm_gradient import LayerNormGradient
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.lowering.gradients.sums import COLUMNS
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

CHUNK = 32
"""Rows of a task, which are summed on their own."""


@lowers(LayerNormGradient, accepts=lambda step: step.has_elements)
def layer_norm_gradient(step: Step, build: Builder) -> None:
    """The gradient of each row, and the sums over all rows for the weight and the bias."""
    op, shape = step.op, step.type_out.shape
    assert isinstance(op, LayerNormGradient)
    count = prod(shape[len(shape) - op.last :])
    rows, weight = prod(shape) // count, step.optional(2)
    chunks = -(-rows // CHUNK)
    parts = build.temporary((step.outputs - 1) * chunks * count) if step.outputs > 1 else None
    refs: list[Ref | None] = [build.plain(step.read(0)), build.plain(step.read(1))]
    refs += [None if weight is None else build.plain(weight), build.new_plain((step.node, 0)), parts]
    numbers = [count, int(op.centred), bits_of(op.eps), rows, CHUNK, int(weight is not None), int(op.bias)]
    build.emit("layer_norm_gradient", chunks, refs, numbers)
    for n in range(1, step.outputs):
        assert parts is not None
        own = [parts.at(4 * (n - 1) * chunks * count), build.new_plain((step.node, n))]
        build.emit("sum_rows", -(-count // COLUMNS), own, [chunks, count, COLUMNS])
