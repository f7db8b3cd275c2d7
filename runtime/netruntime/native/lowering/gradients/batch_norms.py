"""Batch norms with the statistics of the batch, their gradients, and sums over images; see batch_norm.c."""

from __future__ import annotations

from math import prod

from netdsl.graph import Port
from netdsl.ops.norm.batch_norm_training import BatchNormTraining, BatchNormTrainingGradient
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, Image
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

MOMENTS, STATISTICS, FLOWS = 3, 3, 2
"""Rows of a block of channels, as in batch_norm.c."""


def is_image(step: Step) -> bool:
    """Whether the first input is images with elements."""
    x = step.type_in(0)
    return x is not None and len(x.shape) == 4 and 0 not in x.shape


def _accepts(step: Step) -> bool:
    x = step.type_in(0)
    return is_image(step) and x is not None and prod(x.shape) // x.shape[1] > 1


def numbers_of(x: Image, *others: Image, eps: float = 0.0) -> list[int]:
    """The numbers of the kernels: x, and up to two others of its size."""
    strides = [number for image in (x, *others) for number in image.strides]
    strides += [0] * (12 - len(strides))
    bits = bits_of(eps)
    return [x.batch, x.blocks, x.channels, x.height, x.width, *strides, bits]


def _statistics(
    build: Builder, port: Port, eps: float, mean: Ref | None = None, variance: Ref | None = None
) -> Ref:
    """The statistics of x: the mean in two parts, and the factor of the deviations; computed once."""
    key = ("statistics", port, eps)
    if key not in build.known:
        x = build.image(port)
        numbers = numbers_of(x, eps=eps)
        moments = build.temporary(x.batch * x.blocks * MOMENTS * LANES)
        build.emit("norm_moments", x.batch * x.blocks, [x.at, moments], numbers)
        build.known[key] = build.temporary(x.blocks * STATISTICS * LANES)
        build.emit("norm_statistics", x.blocks, [moments, build.known[key], mean, variance], numbers)
    return build.known[key]


def _optional(step: Step, build: Builder, slot: int) -> Ref | None:
    port = step.inputs[slot] if slot < len(step.inputs) else None
    return None if port is None else build.plain(port)


@lowers(BatchNormTraining, accepts=_accepts)
def batch_norm(step: Step, build: Builder) -> None:
    """The statistics, then each pixel."""
    port, op = step.inputs[0], step.op
    assert port is not None and isinstance(op, BatchNormTraining)
    mean, variance = (build.new_plain((step.node, n)) for n in (1, 2))
    build.known.pop(("statistics", port, op.eps), None)
    known = _statistics(build, port, op.eps, mean, variance)
    x, y = build.image(port), build.new_image((step.node, 0))
    refs = [x.at, known, _optional(step, build, 1), _optional(step, build, 2), y.at]
    build.emit("norm_apply", x.batch * x.blocks, refs, numbers_of(x, y))


@lowers(BatchNormTrainingGradient, accepts=_accepts)
def batch_norm_gradient(step: Step, build: Builder) -> None:
    """The sums over dy, then each pixel. The statistics are those of the norm, if it is in this program."""
    flow, port, op = step.inputs[0], step.inputs[1], step.op
    assert flow is not None and port is not None and isinstance(op, BatchNormTrainingGradient)
    known = _statistics(build, port, op.eps)
    x, dy = build.image(port), build.image(flow)
    weight = _optional(step, build, 2)
    outputs = [build.new_plain((step.node, n)) for n in range(1, step.outputs)]
    d_weight = outputs[0] if weight is not None else None
    d_bias = outputs[-1] if op.bias else None
    sums = build.temporary(x.batch * x.blocks * FLOWS * LANES)
    numbers = numbers_of(x, dy)
    build.emit("norm_flow", x.batch * x.blocks, [x.at, known, dy.at, sums], numbers)
    build.emit("norm_flow_sums", x.blocks, [sums, known, d_weight, d_bias], numbers)
    dx = build.new_image((step.node, 0))
    refs = [x.at, known, dy.at, sums, weight, dx.at]
    build.emit("norm_input_gradient", x.batch * x.blocks, refs, numbers_of(x, dy, dx))


def lower_channel_sums(step: Step, build: Builder) -> None:
    """The sum of each channel of images."""
    port = step.inputs[0]
    assert port is not None
    x = build.image(port)
    sums = build.temporary(x.batch * x.blocks * LANES)
    build.emit("channel_sums", x.batch * x.blocks, [x.at, sums], numbers_of(x))
    build.emit("join_channel_sums", x.blocks, [sums, build.new_plain((step.node, 0))], numbers_of(x))
