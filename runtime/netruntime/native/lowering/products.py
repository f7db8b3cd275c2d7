"""Convolutions and dense layers, alone or with what follows them; see conv.c, linear.c and tile.h."""

from __future__ import annotations

from typing import Any

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.conv.conv import Conv
from netdsl.ops.linear.linear import Linear
from netruntime.native.activations import function_of
from netruntime.native.builder import Builder
from netruntime.native.fused import Fused
from netruntime.native.layouts import LANES, Image, blocks_of
from netruntime.native.lowering.convolution.depthwise import is_depthwise, lower_depthwise, pack_windows
from netruntime.native.lowering.convolution.parts import ConvParts, group_of
from netruntime.native.lowering.convolution.small_images import SMALL, lower_small
from netruntime.native.lowering.convolution.winograd import lower_winograd, suits_winograd
from netruntime.native.lowering.packing import pack_bias, pack_matrix
from netruntime.native.lowering.registry import Border, lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

FEW_CHANNELS = 4
"""Up to so many channels, a convolution reads planes: blocks of 16 channels would be mostly zeros."""
CHUNK = 56
"""Rows of a task of a dense layer: a multiple of the highest tile on each instruction set but AVX2's 6."""


def packed_bias(step: Step, build: Builder) -> Ref | None:
    """The bias in blocks; None if there is none."""
    port = step.optional(2)
    return None if port is None else pack_bias(build, port)


def _parts(step: Step) -> tuple[Any, list[int], Port | None]:
    """The product of a step, the numbers of its activation, and its residual."""
    op = step.op
    if not isinstance(op, Fused):
        return op, function_of(None), None
    return op.product, function_of(op.activation), step.inputs[3] if len(step.inputs) > 3 else None


# -- convolution ------------------------------------------------------------------------------------


@immutable
class ConvWindows:
    """The windows of a convolution of images."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def is_3x3(self) -> bool:
        """Whether the windows are 3x3 and follow each other without gaps or steps."""
        return self.size == (3, 3) and self.stride == self.dilation == (1, 1)

    @property
    def border(self) -> Border:
        """The zeros that an image needs above and beside it."""
        (top, left), (bottom, right) = self.before, self.after
        return max(top, bottom), max(left, right)


def windows_of(conv: Conv, x: tuple[int, ...], weight: tuple[int, ...]) -> ConvWindows:
    placement = conv._windows(weight[2:])
    (top, bottom), (left, right) = placement.padding(x[2:])
    stride, dilation = (tuple(map(int, pair)) for pair in (placement.stride, placement.dilation))
    return ConvWindows(weight[2:4], stride, dilation, (top, left), (bottom, right))  # type: ignore[arg-type]


def _accepts_conv(step: Step) -> bool:
    conv, _, _ = _parts(step)
    x, weight = step.type_in(0), step.type_in(1)
    if (
        x is None
        or weight is None
        or len(x.shape) != 4
        or 0 in (*x.shape, *weight.shape, *step.type_out.shape)
    ):
        return False
    return conv.groups == 1 or is_depthwise(conv, x.shape[1], weight.shape[0])


def _conv_borders(step: Step) -> dict[Port, Border]:
    x, weight = step.type_in(0), step.type_in(1)
    assert x is not None and weight is not None and step.inputs[0] is not None
    windows = windows_of(_parts(step)[0], x.shape, weight.shape)
    if reads_planes(x.shape[1], windows) and not _is_depthwise(step):
        return {}
    return {step.inputs[0]: windows.border}


def _is_depthwise(step: Step) -> bool:
    x, weight = step.type_in(0), step.type_in(1)
    assert x is not None and weight is not None
    return is_depthwise(_parts(step)[0], x.shape[1], weight.shape[0])


def reads_planes(channels: int, windows: ConvWindows) -> bool:
    return channels <= FEW_CHANNELS and windows.dilation[1] == 1


def padded_planes(port: Port, build: Builder, windows: ConvWindows) -> tuple[Ref, tuple[int, int, int]]:
    """The planes of an image with zeros around them, and the number of channels, rows and columns."""
    batch, channels, height, width = build.types[port].shape
    (top, left), (bottom, right) = windows.before, windows.after
    rows, columns = height + top + bottom, width + left + right
    at = build.plain(port)
    if (rows, columns) != (height, width):
        padded = build.temporary(batch * channels * rows * columns)
        build.emit("pad_planes", batch * channels, [at, padded], [height, width, top, left, rows, columns])
        at = padded
    return at, (channels, rows, columns)


def _from_planes(step: Step, build: Builder, windows: ConvWindows) -> tuple[Ref, list[int], list[int], Ref]:
    """What a convolution of few channels reads: padded planes; a run is a row of a window."""
    port, weight = step.inputs[0], step.inputs[1]
    assert port is not None and weight is not None
    at, (channels, rows, columns) = padded_planes(port, build, windows)
    (high, wide), (down, _) = windows.size, windows.dilation
    offsets = [c * rows * columns + y * down * columns for c in range(channels) for y in range(high)]
    strides = [channels * rows * columns, windows.stride[0] * columns, windows.stride[1], 0]
    outputs = build.types[weight].shape[0]
    depth = channels * high * wide
    blocks = blocks_of(outputs)
    packed = build.packed(blocks * depth * LANES, weight, "pack", blocks, [depth, outputs, 1, depth])
    return at, [wide, *strides], offsets, packed


def _taps_at(x: Image, windows: ConvWindows) -> list[int]:
    """Floats from the first pixel of a window to each."""
    (high, wide), (down, across) = windows.size, windows.dilation
    return [i * down * x.row + j * across * LANES for i in range(high) for j in range(wide)]


def _strides_of(x: Image, windows: ConvWindows) -> list[int]:
    """Floats between images, and between windows above and beside each other; and to the first window."""
    first = x.first - windows.before[0] * x.row - windows.before[1] * LANES
    return [x.image, windows.stride[0] * x.row, windows.stride[1] * LANES, first]


def _from_channels(step: Step, build: Builder, windows: ConvWindows) -> tuple[Ref, list[int], list[int], Ref]:
    """What a depthwise convolution reads: a run is a pixel of one channel."""
    port, weight = step.inputs[0], step.inputs[1]
    assert port is not None and weight is not None
    x = build.image(port)
    return x.at, [1, *_strides_of(x, windows)], _taps_at(x, windows), pack_windows(build, weight)


def _from_blocks(step: Step, build: Builder, windows: ConvWindows) -> tuple[Ref, list[int], list[int], Ref]:
    """What a convolution of blocks reads: a run is the channels of a pixel in one block."""
    port, weight = step.inputs[0], step.inputs[1]
    assert port is not None and weight is not None
    x = build.image(port)
    high, wide = windows.size
    taps_at = _taps_at(x, windows)
    offsets = [block * x.block + tap for block in range(x.blocks) for tap in taps_at]
    strides = _strides_of(x, windows)
    outputs, channels = build.types[weight].shape[:2]
    run = min(channels, LANES)

    taps, blocks = high * wide, blocks_of(outputs)
    size = blocks * len(offsets) * run * LANES
    order = [outputs, channels, run, high, wide, channels * taps, taps, wide, 1, 0]
    packed = build.packed(size, weight, "pack_taps", blocks, order)
    return x.at, [run, *strides], offsets, packed


def _is_winograd(step: Step, build: Builder, windows: ConvWindows) -> bool:
    """Whether a convolution is computed by Winograd's method."""
    x = step.type_in(0)
    assert x is not None
    suits = windows.is_3x3 and suits_winograd(x.shape[1], *step.type_out.shape[1:])
    return suits and not build.exact


def _conv_parts(step: Step, build: Builder, windows: ConvWindows) -> ConvParts:
    _, activation, residual = _parts(step)
    x = step.type_in(0)
    assert x is not None
    if _is_depthwise(step):
        read = _from_channels
    else:
        read = _from_planes if reads_planes(x.shape[1], windows) else _from_blocks
    at, (run, *strides), offsets, packed = read(step, build, windows)
    added = None if residual is None else build.image(residual)
    y = build.new_image((step.node, 0))
    bias = packed_bias(step, build)
    return ConvParts(at, run, offsets, strides, windows.before, packed, bias, added, y, activation)


def _lower_conv(step: Step, build: Builder) -> None:
    (image, weight), x, w = step.inputs[:2], step.type_in(0), step.type_in(1)
    assert image is not None and weight is not None and x is not None and w is not None
    windows = windows_of(_parts(step)[0], x.shape, w.shape)
    conv = _conv_parts(step, build, windows)
    if _is_depthwise(step):
        lower_depthwise(build, conv, build.image(image))
    elif _is_winograd(step, build, windows):
        lower_winograd(build, conv, image, weight)
    elif conv.y.width <= SMALL and not reads_planes(x.shape[1], windows):
        lower_small(build, conv, build.image(image))
    else:
        _lower_rows(build, conv)


def _lower_rows(build: Builder, conv: ConvParts) -> None:
    """A row of outputs as one product."""
    y = conv.y
    group = group_of(y.width)
    tasks = -(-y.blocks // group) * y.batch * y.height
    refs = [conv.at, conv.weight, conv.bias, conv.residual_at, y.at, build.table(conv.offsets)]
    numbers = [y.batch, y.height, y.width, y.blocks, len(conv.offsets), conv.run, *conv.strides]
    numbers += [*y.strides, LANES, *conv.residual_strides, group, *conv.activation]
    build.emit("conv", tasks, refs, numbers)


# -- dense layers -----------------------------------------------------------------------------------


def _accepts_linear(step: Step) -> bool:
    x = step.type_in(0)
    return x is not None and 0 not in (*x.shape, *step.type_out.shape)


def _lower_linear(step: Step, build: Builder) -> None:
    _, activation, residual = _parts(step)
    x, weight = step.inputs[0], step.inputs[1]
    assert x is not None and weight is not None
    depth, count = build.types[weight].shape
    rows = build.types[x].size // depth
    at = build.plain(x)
    blocks = blocks_of(count)
    packed = pack_matrix(build, weight)
    added = None if residual is None else build.plain(residual)
    group = group_of(rows)
    tasks = -(-blocks // group) * -(-rows // CHUNK)
    refs = [at, packed, packed_bias(step, build), added, build.new_plain((step.node, 0))]
    build.emit("linear", tasks, refs, [rows, depth, count, CHUNK, group, *activation])


def _accepts(step: Step) -> bool:
    product, _, _ = _parts(step)
    return _accepts_conv(step) if isinstance(product, Conv) else _accepts_linear(step)


def _borders(step: Step) -> dict[Port, Border]:
    return _conv_borders(step) if isinstance(_parts(step)[0], Conv) else {}


@lowers(Conv, Linear, Fused, accepts=_accepts, borders=_borders)
def product(step: Step, build: Builder) -> None:
    """A convolution or a dense layer."""
    if isinstance(_parts(step)[0], Conv):
        _lower_conv(step, build)
    else:
        _lower_linear(step, build)
