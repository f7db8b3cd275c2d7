"""Sums over all rows of a matrix, and over images: gradients of biases; see sum_rows.c, batch_norm.c."""

from __future__ import annotations

from netdsl.ops.contract.rules import normal_axes
from netdsl.ops.reduce.reduce import Reduction, Sum
from netruntime.native.builder import Builder
from netruntime.native.lowering.gradients.batch_norms import lower_channel_sums
from netruntime.native.steps import Step

COLUMNS = 64
"""Columns of a task."""


def lower_sum(step: Step, build: Builder) -> bool:
    """The sum of each channel of images, or of each column; False if it is neither."""
    port, x = step.read(0), step.type_in(0)
    assert isinstance(step.op, Reduction) and x is not None
    if not isinstance(step.op, Sum) or step.optional(1) is not None:
        return False
    axes = tuple(sorted(normal_axes(step.op.over, len(x.shape))))
    if axes == (0, 2, 3) and len(x.shape) == 4:
        lower_channel_sums(step, build)
        return True
    if axes != tuple(range(len(axes))) or len(axes) == len(x.shape):
        return False
    columns = step.type_out.size
    refs = [build.plain(port), build.new_plain((step.node, 0))]
    build.emit("sum_rows", -(-columns // COLUMNS), refs, [x.size // columns, columns, COLUMNS])
    return True
