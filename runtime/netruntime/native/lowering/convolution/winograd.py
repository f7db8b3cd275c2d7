"""Convolutions of 3x3 windows by Winograd's method; see winograd.c."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from netdsl.graph import Port
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, blocks_of
from netruntime.native.lowering.convolution.parts import ConvParts
from netruntime.native.memory import Ref

Array = Any

ERROR = 2e-5
"""The largest error of an output for up to 512 channels, relative to the largest output.

It is about 4e-6 for weights and inputs that are normally distributed.
"""

SIDE, PLACES = 4, 36
"""The outputs of a tile along an axis, and the products of a tile for each pair of channels."""
NEAR, FAR = 0.75, 1.5
"""The points at which polynomials are evaluated, besides 0 and infinity: plus and minus each."""
GROUP = 2
"""Blocks of outputs that are computed together."""


def suits_winograd(channels: int, outputs: int, height: int, width: int) -> bool:
    """Whether the method is faster for such images: for many channels and tiles.

    It depends on the shape of a layer alone, so a row has the same bits alone and in a batch.
    """
    return channels % LANES == 0 and min(channels, outputs) >= 32 and min(height, width) >= 12


def transformed(weight: Array) -> Array:
    """Weights `[N, C, 3, 3]` as `[36, N/16, C, 16]`, with zeros beyond N; computed in f64."""
    outputs, channels = weight.shape[:2]
    blocks = blocks_of(outputs)
    taps = np.zeros((blocks * LANES, channels, 9))
    taps[:outputs] = weight.reshape(outputs, channels, 9)
    taps = taps.reshape(blocks, LANES, channels, 9).transpose(0, 3, 2, 1).reshape(blocks, 9, -1)
    matrix = np.kron(_evaluation(), _evaluation())
    packed = np.empty((PLACES, blocks, channels * LANES), np.float32)
    with np.errstate(all="ignore"):  # outputs of infinite weights are computed by the direct kernel
        for block in range(blocks):
            packed[:, block] = matrix @ taps[block]
    return packed


def _evaluation() -> Array:
    """`[6, 3]`: the values of a polynomial of degree 2 at the points, over the Lagrange denominators."""
    rows = [[1 / (NEAR * FAR) ** 2, 0, 0]]
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        scale = 1 / (2 * point**2 * (point**2 - other**2))
        rows += [[scale, sign * point * scale, point**2 * scale] for sign in (1, -1)]
    return np.array([*rows, [0, 0, 1]])


def _weights(build: Builder, port: Port) -> Ref:
    """Transformed weights: once if they are constants, else in each run, in f32."""
    outputs, channels = build.types[port].shape[:2]
    blocks = blocks_of(outputs)
    if port in build.constants:
        return build.constant((PLACES, blocks, channels, LANES), transformed, port)
    at = build.temporary(PLACES * blocks * channels * LANES)
    refs = [build.plain(port), at, build.fixed(_evaluation().astype(np.float32))]
    build.emit("winograd_weights", blocks * channels // LANES, refs, [outputs, channels])
    return at


def lower_winograd(build: Builder, conv: ConvParts, image: Port, weights: Port) -> None:
    """In one step by chunks of tiles; in three over all tiles where that moves less memory."""
    x, y = build.image(image), conv.y
    tiles_y, tiles_x = -(-y.height // SIDE), -(-y.width // SIDE)
    tiles = y.batch * tiles_y * tiles_x
    in_steps = tiles * (x.blocks + y.blocks) <= x.blocks * y.blocks * LANES
    chunk = 28 if tiles >= 448 else 14  # a multiple of the highest tile, and enough tasks for the threads
    held, blocks = (tiles, y.blocks) if in_steps else (chunk, GROUP)
    room = PLACES * LANES * ((x.blocks + blocks) * held + 2)
    weight = _weights(build, weights)
    table = build.table([*(block * held * LANES for block in range(x.blocks)), *conv.offsets])
    scratch = build.temporary(room) if in_steps else build.scratch_of(room)
    refs = [x.at, weight, conv.bias, conv.residual_at, y.at, table, scratch, conv.weight]
    numbers = [y.batch, y.height, y.width, y.blocks, tiles_y, tiles_x]
    numbers += [x.blocks, x.image, x.block, x.row, conv.strides[-1]]
    numbers += [x.height + x.border[0] + conv.padding[0], x.width + x.border[1] + conv.padding[1]]
    numbers += [*y.strides, *conv.residual_strides, chunk, GROUP, room, *conv.activation]
    emit = partial(build.emit, refs=refs, numbers=numbers)
    chunks = -(-tiles // chunk)
    if in_steps:
        emit("winograd_inputs", x.blocks * chunks)
        emit("winograd_products", PLACES * -(-y.blocks // GROUP))
        emit("winograd_outputs", y.blocks * chunks)
    else:
        emit("winograd", chunks)
