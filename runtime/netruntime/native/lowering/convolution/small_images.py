"""Convolutions to small images; see conv_map.c."""

from __future__ import annotations

from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, Image
from netruntime.native.lowering.convolution.parts import ConvParts, group_of

SMALL = 10
"""Up to so many pixels, a row is far shorter than the highest tile."""


def lower_small(build: Builder, conv: ConvParts, x: Image) -> None:
    """All pixels of an image as the rows of one product, their windows gathered before."""
    y, pixels = conv.y, conv.y.height * conv.y.width
    runs, windows = len(conv.offsets), conv.at
    if conv.strides[1:] != [x.width * LANES, LANES, 0] or runs != x.blocks:
        windows = build.temporary(y.batch * runs * pixels * LANES)
        numbers = [runs, y.height, y.width, *conv.strides]
        build.emit("gather_windows", y.batch * runs, [conv.at, windows, build.table(conv.offsets)], numbers)
    group = group_of(pixels)
    places = [*_pixels(y), *_pixels(conv.residual or y)]
    refs = [windows, conv.weight, conv.bias, conv.residual_at, y.at]
    refs += [build.table(range(0, runs * pixels * LANES, pixels * LANES)), build.table(places)]
    numbers = [y.batch, pixels, y.blocks, runs, conv.run, *y.strides[:2], *conv.residual_strides[:2]]
    build.emit("conv_map", -(-y.blocks // group) * y.batch, refs, [*numbers, group, *conv.activation])


def _pixels(image: Image) -> list[int]:
    """Where each pixel of a block begins."""
    return [image.first + i * image.row + j * LANES for i in range(image.height) for j in range(image.width)]
