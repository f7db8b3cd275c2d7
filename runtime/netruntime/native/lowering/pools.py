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


def takes(pool: Pool, x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether there are kernels for a pool of images of these shapes."""
    counts_padding = isinstance(pool, AvgPool) and pool.count_pad
    fits = set(pool.dilation) == {1} and not (pool.ceil_mode and counts_padding)
    return fits and len(x) == 4 and 0 not in (*x, *y)


def window_numbers(pool: Pool, space: tuple[int, int]) -> list[int]:
    """The numbers of the kernels from `SIZE_Y` on."""
    placement = pool.windows(space)
    (top, _), (left, _) = placement.padding(space)
    counts_padding = int(isinstance(pool, AvgPool) and pool.count_pad)
    return [*map(int, placement.size), *placement.stride, top, left, counts_padding]


def _accepts(step: Step) -> bool:
    x = step.type_in(0)
    return isinstance(step.op, Pool) and x is not None and takes(step.op, x.shape, step.type_out.shape)


@lowers(MaxPool, AvgPool, accepts=_accepts)
def pool(step: Step, build: Builder) -> None:
    """The maximum or the mean of each window."""
    op, port = step.op, step.inputs[0]
    assert isinstance(op, Pool) and port is not None
    x, y = build.image(port), build.new_image((step.node, 0))
    sizes = [x.batch, x.blocks, x.height, x.width, y.height, y.width]
    numbers = [*sizes, *x.strides, *y.strides, *window_numbers(op, (x.height, x.width))]
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
