"""The gradients of pools; see pool_gradient.c."""

from __future__ import annotations

from netdsl.ops.pool.adaptive_gradient import AdaptiveAvgPoolGradient
from netdsl.ops.pool.pool import AvgPool, Pool
from netdsl.ops.pool.pool_gradient import MaxPoolGradient, PoolSpread, WindowSum
from netruntime.native.builder import Builder
from netruntime.native.layouts import Image
from netruntime.native.lowering.pools import takes, window_numbers
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step


def _accepts(step: Step) -> bool:
    dy, pool = step.type_in(0), _pool(step)
    return dy is not None and takes(pool, step.type_out.shape, dy.shape)


def _pool(step: Step) -> Pool:
    assert isinstance(step.op, MaxPoolGradient | PoolSpread)
    return step.op.of


def _numbers(step: Step, x: Image, dy: Image) -> list[int]:
    sizes = [x.batch, x.blocks, x.height, x.width, dy.height, dy.width]
    return [*sizes, *x.strides, *dy.strides, *window_numbers(_pool(step), (x.height, x.width))]


@lowers(MaxPoolGradient, accepts=_accepts)
def max_pool_gradient(step: Step, build: Builder) -> None:
    """dy at the largest element of each window."""
    flow, port = step.inputs
    assert flow is not None and port is not None
    dy, x, dx = build.image(flow), build.image(port), build.new_image((step.node, 0))
    numbers = [*_numbers(step, x, dy), *dx.strides]
    build.emit("max_pool_gradient", x.batch * x.blocks, [dy.at, x.at, dx.at], numbers)


@lowers(PoolSpread, accepts=_accepts)
def pool_spread(step: Step, build: Builder) -> None:
    """dy at all elements of each window."""
    flow = step.inputs[0]
    assert flow is not None
    dy, dx = build.image(flow), build.new_image((step.node, 0))
    numbers = [*_numbers(step, dx, dy), int(isinstance(_pool(step), WindowSum))]
    build.emit("pool_spread", dx.batch * dx.blocks, [dy.at, dx.at], numbers)


def _accepts_adaptive(step: Step) -> bool:
    """Bins of one size."""
    dy, shape = step.type_in(0), step.type_out.shape
    if dy is None or len(shape) != 4 or not step.has_elements:
        return False
    return all(size % parts == 0 for size, parts in zip(shape[2:], dy.shape[2:], strict=True))


@lowers(AdaptiveAvgPoolGradient, accepts=_accepts_adaptive)
def adaptive_avg_pool_gradient(step: Step, build: Builder) -> None:
    """The gradient of means of windows side by side."""
    dy, dx = build.image(step.read(0)), build.new_image((step.node, 0))
    window = AvgPool((dx.height // dy.height, dx.width // dy.width))
    numbers = [dx.batch, dx.blocks, dx.height, dx.width, dy.height, dy.width, *dx.strides, *dy.strides]
    numbers += [*window_numbers(window, (dx.height, dx.width)), 0]
    build.emit("pool_spread", dx.batch * dx.blocks, [dy.at, dx.at], numbers)
