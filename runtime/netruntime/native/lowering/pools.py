"""Pools of images; see pool.c."""

from __future__ import annotations

from netdsl.ops.pool.global_pool import GlobalAvgPool
from netdsl.ops.pool.pool import AvgPool, MaxPool, Pool
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step


def _is_image(step: Step) -> bool:
    x = step.type_in(0)
    return x is not None and len(x.shape) == 4 and 0 not in (*x.shape, *step.type_out.shape)


def _accepts(step: Step) -> bool:
    op = step.op
    if not isinstance(op, Pool) or not _is_image(step):
        return False
    counts_padding = isinstance(op, AvgPool) and op.count_pad
    return set(op.dilation) == {1} and not (op.ceil_mode and counts_padding)


@lowers(MaxPool, AvgPool, accepts=_accepts)
def pool(step: Step, build: Builder) -> None:
    """The maximum or the mean of each window."""
    op, port = step.op, step.inputs[0]
    assert isinstance(op, Pool) and port is not None
    x, y = build.image(port), build.new_image((step.node, 0))
    placement = op.windows((x.height, x.width))
    (top, _), (left, _) = placement.padding((x.height, x.width))
    sizes = [x.batch, x.blocks, x.height, x.width, y.height, y.width]
    window = [*map(int, placement.size), *placement.stride, top, left]
    counts_padding = int(isinstance(op, AvgPool) and op.count_pad)
    numbers = [*sizes, *x.strides, *y.strides, *window, counts_padding]
    kernel = "max_pool" if isinstance(op, MaxPool) else "avg_pool"
    build.emit(kernel, x.batch * x.blocks * y.height, [x.at, y.at], numbers)


@lowers(GlobalAvgPool, accepts=_is_image)
def global_avg_pool(step: Step, build: Builder) -> None:
    """The mean of each channel."""
    port = step.inputs[0]
    assert port is not None
    x = build.image(port)
    numbers = [x.blocks, x.channels, x.height, x.width, *x.strides]
    build.emit("global_avg_pool", x.batch * x.blocks, [x.at, build.new_plain((step.node, 0))], numbers)
