"""Operators on images in blocks: joins along channels, norms over neighbouring ones, bins."""

from __future__ import annotations

from netdsl.ops.norm.local_response_norm import LocalResponseNorm, LocalResponseNormGradient
from netdsl.ops.pool.adaptive_pool import AdaptiveAvgPool
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, Image
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step
from netruntime.native.views import View

CHANNELS, SIDE = 2048, 64
"""The most channels and neighbours on a side, as in local_response_norm.c."""


def view_of_blocks(image: Image, first: int = 0, count: int | None = None) -> View:
    """Some blocks of an image, without its border, as `[B, blocks, H, W * 16]`."""
    shape = (image.batch, image.blocks if count is None else count, image.height, image.width * LANES)
    at = image.at.at(4 * (image.first + first * image.block))
    return View(at, shape, (image.image, image.block, image.row, 1), 4)


def concat_channels(step: Step, build: Builder) -> bool:
    """Join images along their channels, if all exist in blocks and begin with a block; whether it did."""
    ports = [step.read(slot) for slot in range(len(step.inputs))]
    if not all(port in build.images for port in ports):
        return False
    parts = [build.images[port] for port in ports]
    if any(part.channels % LANES for part in parts[:-1]):
        return False
    y, first = build.new_image((step.node, 0)), 0
    for part in parts:
        build.copy(view_of_blocks(part), view_of_blocks(y, first, part.blocks))
        first += part.blocks
    return True


def _accepts_norm(step: Step) -> bool:
    op, x = step.op, step.type_in(0)
    assert isinstance(op, LocalResponseNorm | LocalResponseNormGradient)
    if x is None or len(x.shape) != 4 or not step.has_elements:
        return False
    return x.shape[1] <= CHANNELS and op.size <= SIDE and op.beta in (0.5, 0.75, 1.0)


@lowers(LocalResponseNorm, accepts=_accepts_norm)
def local_response_norm(step: Step, build: Builder) -> None:
    """Each element over a power of the mean square of neighbouring channels."""
    op = step.op
    assert isinstance(op, LocalResponseNorm)
    x, y = build.image(step.read(0)), build.new_image((step.node, 0))
    numbers = [x.channels, x.height, x.width, *x.strides, *y.strides, (op.size - 1) // 2, op.size // 2]
    numbers += [bits_of(op.alpha / op.size), bits_of(op.k), int(4 * op.beta)]
    build.emit("local_response_norm", x.batch * x.height, [x.at, y.at], numbers)


@lowers(LocalResponseNormGradient, accepts=_accepts_norm)
def local_response_norm_gradient(step: Step, build: Builder) -> None:
    """The gradient, from dy and x."""
    op = step.op
    assert isinstance(op, LocalResponseNormGradient)
    dy, x, dx = build.image(step.read(0)), build.image(step.read(1)), build.new_image((step.node, 0))
    numbers = [x.channels, x.height, x.width, *x.strides, *dy.strides, (op.size - 1) // 2, op.size // 2]
    numbers += [bits_of(op.alpha / op.size), bits_of(op.k), int(4 * op.beta), *dx.strides]
    numbers.append(bits_of(2 * op.alpha * op.beta / op.size))
    build.emit("local_response_norm_gradient", x.batch * x.height, [dy.at, x.at, dx.at], numbers)


def _accepts_adaptive(step: Step) -> bool:
    """Bins of one size."""
    x, y = step.type_in(0), step.type_out
    if x is None or len(x.shape) != 4 or not step.has_elements:
        return False
    return all(size % parts == 0 for size, parts in zip(x.shape[2:], y.shape[2:], strict=True))


@lowers(AdaptiveAvgPool, accepts=_accepts_adaptive)
def adaptive_avg_pool(step: Step, build: Builder) -> None:
    """The means of bins of one size, which are windows side by side."""
    x, out = build.image(step.read(0)), step.type_out.shape
    if out[2:] == (x.height, x.width) and build.borders.get((step.node, 0), (0, 0)) == x.border:
        build.images[step.node, 0] = x
        return
    y = build.new_image((step.node, 0))
    window = [x.height // y.height, x.width // y.width]
    numbers = [x.batch, x.blocks, x.height, x.width, y.height, y.width, *x.strides, *y.strides]
    tasks = x.batch * x.blocks * y.height
    build.emit("avg_pool", tasks, [x.at, y.at], [*numbers, *window, *window, 0, 0, 0])
