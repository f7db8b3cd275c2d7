"""Convolutions of 3x3 windows by Winograd's method; see winograd.c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, Image, blocks_of
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

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


@dataclass(frozen=True)
class Direct:
    """How conv.c would compute the same: the packed weights, the offsets of taps, and of the first window."""

    weight: Ref
    offsets: Sequence[int]
    first: int


@dataclass(frozen=True)
class WinogradConv:
    """A convolution of an image with windows of 3x3, stride 1 and dilation 1.

    Args:
        before: The padding above and to the left.
        activation: Its numbers.
    """

    y: Image
    direct: Direct
    before: tuple[int, int]
    bias: Ref | None
    residual: Image | None
    activation: Sequence[int]


def suits_winograd(channels: int, outputs: int, height: int, width: int) -> bool:
    """Whether the method is faster for such images: for many channels and tiles.

    It depends on the shape of a layer alone, so a row has the same bits alone and in a batch.
    """
    return channels % LANES == 0 and min(channels, outputs) >= 32 and min(height, width) >= 12


def transformed(weight: Array) -> Array:
    """Weights `[N, C, 3, 3]` as `[N/16, 36, C, 16]`, with zeros beyond N; computed in f64."""
    outputs, channels = weight.shape[:2]
    blocks = blocks_of(outputs)
    taps = np.zeros((blocks * LANES, channels, 9))
    taps[:outputs] = weight.reshape(outputs, channels, 9)
    taps = taps.reshape(blocks, LANES, channels, 9).transpose(0, 3, 2, 1).reshape(blocks, 9, -1)
    matrix = np.kron(_evaluation(), _evaluation())
    packed = np.empty((blocks, PLACES, channels * LANES), np.float32)
    with np.errstate(all="ignore"):  # outputs of infinite weights are computed by the direct kernel
        for block in range(blocks):
            packed[block] = matrix @ taps[block]
    return packed


def _evaluation() -> Array:
    """`[6, 3]`: the values of a polynomial of degree 2 at the points, over the Lagrange denominators."""
    rows = [[1 / (NEAR * FAR) ** 2, 0, 0]]
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        scale = 1 / (2 * point**2 * (point**2 - other**2))
        rows += [[scale, sign * point * scale, point**2 * scale] for sign in (1, -1)]
    return np.array([*rows, [0, 0, 1]])


def lower_winograd(step: Step, build: Builder, conv: WinogradConv) -> None:
    """In one step by chunks of tiles; in three over all tiles where that moves less memory."""
    assert step.inputs[0] is not None and step.inputs[1] is not None
    x, y, added, direct = build.image(step.inputs[0]), conv.y, conv.residual, conv.direct
    tiles_y, tiles_x = -(-y.height // SIDE), -(-y.width // SIDE)
    tiles = y.batch * tiles_y * tiles_x
    in_steps = tiles * (x.blocks + y.blocks) <= x.blocks * y.blocks * LANES
    chunk = 28 if tiles >= 448 else 14  # a multiple of the highest tile, and enough tasks for the threads
    held, blocks = (tiles, y.blocks) if in_steps else (chunk, GROUP)
    room = PLACES * LANES * ((x.blocks + blocks) * held + 2)
    weight = build.constant((y.blocks, PLACES, x.channels, LANES), transformed, step.inputs[1])
    table = build.table([*(block * held * LANES for block in range(x.blocks)), *direct.offsets])
    scratch = build.temporary(room) if in_steps else build.scratch_of(room)
    refs = [x.at, weight, conv.bias, added.at if added else None, y.at, table, scratch, direct.weight]
    numbers = [y.batch, y.height, y.width, y.blocks, tiles_y, tiles_x]
    numbers += [x.blocks, x.image, x.block, x.row, direct.first]
    numbers += [x.height + x.border[0] + conv.before[0], x.width + x.border[1] + conv.before[1]]
    numbers += [*y.strides, *(added.strides if added else [0] * 4), chunk, GROUP, room, *conv.activation]
    emit = partial(build.emit, refs=refs, numbers=numbers)
    chunks = -(-tiles // chunk)
    if in_steps:
        emit("winograd_inputs", x.blocks * chunks)
        emit("winograd_products", PLACES * -(-y.blocks // GROUP))
        emit("winograd_outputs", y.blocks * chunks)
    else:
        emit("winograd", chunks)
