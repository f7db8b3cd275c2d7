"""Depthwise convolutions; see depthwise.c."""

from __future__ import annotations

from netdsl.graph import Port
from netdsl.ops.conv.conv import Conv
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, Image, blocks_of
from netruntime.native.lowering.convolution.parts import ConvParts
from netruntime.native.memory import Ref


def is_depthwise(conv: Conv, channels: int, outputs: int) -> bool:
    """Whether each channel has one window of its own."""
    return 1 < conv.groups == channels == outputs


def pack_windows(build: Builder, weight: Port) -> Ref:
    """Weights `[C, 1, H, W]` as `[C/16, H * W, 16]`, with zeros beyond C."""
    channels, _, high, wide = build.types[weight].shape
    taps, blocks = high * wide, blocks_of(channels)
    return build.packed(blocks * taps * LANES, weight, "pack", blocks, [taps, channels, 1, taps])


def lower_depthwise(build: Builder, conv: ConvParts, x: Image) -> None:
    """A row of outputs of a block of channels at a time."""
    y = conv.y
    refs = [conv.at, conv.weight, conv.bias, conv.residual_at, y.at, build.table(conv.offsets)]
    numbers = [y.blocks, y.height, y.width, len(conv.offsets), x.block, *conv.strides]
    numbers += [*y.strides, *conv.residual_strides, *conv.activation]
    build.emit("depthwise", y.batch * y.blocks * y.height, refs, numbers)
