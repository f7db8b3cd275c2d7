"""The gradients of convolutions; see conv_gradient.c and conv.c."""

from __future__ import annotations

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.conv.conv import Conv
from netdsl.ops.conv.conv_gradient import ConvInputGradient, ConvWeightGradient
from netdsl.ops.conv.conv_transpose import ConvTranspose
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, blocks_of
from netruntime.native.lowering.convolution.parts import group_of
from netruntime.native.lowering.products import (
    ConvWindows,
    packed_bias,
    padded_planes,
    reads_planes,
    windows_of,
)
from netruntime.native.lowering.registry import Border, lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

Gradient = ConvInputGradient | ConvWeightGradient | ConvTranspose


def _conv(op: Gradient) -> Conv:
    return Conv(op.stride, op.pad, op.dilation, op.groups)


# -- of the weight ----------------------------------------------------------------------------------


def _weight_windows(step: Step) -> ConvWindows:
    dy, x, weight = step.type_in(0), step.type_in(1), step.type_out
    assert isinstance(step.op, ConvWeightGradient) and dy is not None and x is not None
    return windows_of(_conv(step.op), x.shape, weight.shape)


def _accepts_weight(step: Step) -> bool:
    dy, x = step.type_in(0), step.type_in(1)
    if not isinstance(step.op, ConvWeightGradient) or dy is None or x is None or len(x.shape) != 4:
        return False
    return step.op.groups == 1 and 0 not in (*x.shape, *dy.shape, *step.type_out.shape)


def _weight_borders(step: Step) -> dict[Port, Border]:
    windows, x = _weight_windows(step), step.type_in(1)
    assert x is not None and step.inputs[1] is not None
    return {} if reads_planes(x.shape[1], windows) else {step.inputs[1]: windows.border}


@immutable
class _Rows:
    """What the rows of the sums are: where they lie in x, and how they go into the weight."""

    at: Ref
    groups: int
    rows: int
    taps: int
    numbers: list[int]
    """From `TAP_COLUMNS` to `X_FIRST` in conv_gradient.c."""
    order: list[int]
    """`CHANNELS`, `RUN` and `TAPS` of unpack_taps."""


def _plane_rows(port: Port, build: Builder, windows: ConvWindows) -> _Rows:
    """The columns of a window; a tap is a row of it, a group a channel."""
    at, (channels, rows, columns) = padded_planes(port, build, windows)
    high, wide = windows.size
    plane = rows * columns
    numbers = [1, windows.dilation[0] * columns, 0]
    numbers += [channels * plane, plane, windows.stride[0] * columns, windows.stride[1], 0]
    depth = channels * high * wide
    return _Rows(at, channels, wide, high, numbers, [depth, depth, 1])


def _block_rows(port: Port, build: Builder, windows: ConvWindows) -> _Rows:
    """The channels of a block."""
    x = build.image(port)
    high, wide = windows.size
    run = min(x.channels, LANES)
    first = x.first - windows.before[0] * x.row - windows.before[1] * LANES
    numbers = [wide, windows.dilation[0] * x.row, windows.dilation[1] * LANES]
    numbers += [x.image, x.block, windows.stride[0] * x.row, windows.stride[1] * LANES, first]
    return _Rows(x.at, x.blocks, run, high * wide, numbers, [x.channels, run, high * wide])


@lowers(ConvWeightGradient, accepts=_accepts_weight, borders=_weight_borders)
def weight_gradient(step: Step, build: Builder) -> None:
    """Sums over the pixels of all images."""
    windows = _weight_windows(step)
    flow, port = step.inputs
    assert flow is not None and port is not None
    dy = build.image(flow)
    read = _plane_rows if reads_planes(build.types[port].shape[1], windows) else _block_rows
    rows = read(port, build, windows)
    sums = build.temporary(dy.blocks * rows.groups * rows.taps * rows.rows * LANES)
    numbers = [dy.batch, dy.height, dy.width, rows.groups, rows.rows, rows.taps, *rows.numbers]
    numbers += [dy.image, dy.block, dy.row, dy.first, dy.blocks]
    tasks = -(-dy.blocks // 2) * rows.groups * (rows.taps // rows.numbers[0])
    build.emit("conv_weight_gradient", tasks, [rows.at, dy.at, sums], numbers)
    weight = build.new_plain((step.node, 0))
    build.emit("unpack_taps", dy.blocks, [sums, weight], [dy.channels, *rows.order])


# -- of the input, which a transposed convolution is too ---------------------------------------------


@immutable
class _Phase:
    """The pixels of one axis of dx whose windows meet the same taps, every `stride`-th of both.

    Args:
        tap: The first of the taps.
        taps: How many there are.
        pixel: The first of the pixels.
        pixels: How many there are.
        source: The pixel of dy that the first tap of the first pixel reads; further taps read earlier ones.
    """

    tap: int
    taps: int
    pixel: int
    pixels: int
    source: int

    def border(self, size: int) -> int:
        """The zeros around dy of this size that the phase reads."""
        return max(self.taps - 1 - self.source, self.source + self.pixels - size, 0)


def _phases(size: int, window: int, stride: int, before: int) -> list[_Phase]:
    """The phases of an axis of dx with this size."""
    phases = []
    for tap in range(stride):
        source = -((tap - before) // stride)
        pixel = stride * source + tap - before
        pixels = max(0, -(-(size - pixel) // stride))
        taps = max(0, -(-(window - tap) // stride))
        if pixels:
            phases.append(_Phase(tap, taps, pixel, pixels, source))
    return phases


def _axes(step: Step) -> tuple[list[_Phase], list[_Phase]]:
    """The phases of the rows and of the columns."""
    weight, x = step.type_in(1), step.type_out
    assert isinstance(step.op, ConvInputGradient | ConvTranspose) and weight is not None
    windows = windows_of(_conv(step.op), x.shape, weight.shape)
    rows, columns = (
        _phases(x.shape[2 + axis], windows.size[axis], windows.stride[axis], windows.before[axis])
        for axis in (0, 1)
    )
    return rows, columns


def _accepts_input(step: Step) -> bool:
    dy, weight = step.type_in(0), step.type_in(1)
    assert isinstance(step.op, ConvInputGradient | ConvTranspose)
    if dy is None or weight is None or len(dy.shape) != 4 or not step.has_elements:
        return False
    if step.op.groups != 1 or set(step.op.dilation) != {1}:
        return False
    return step.optional(2) is None or _have_taps(*_axes(step))


def _have_taps(rows: list[_Phase], columns: list[_Phase]) -> bool:
    return all(phase.taps for phase in (*rows, *columns))


def _input_borders(step: Step) -> dict[Port, Border]:
    dy = step.type_in(0)
    assert dy is not None and step.inputs[0] is not None
    rows, columns = _axes(step)
    above = max(phase.border(dy.shape[2]) for phase in rows)
    beside = max(phase.border(dy.shape[3]) for phase in columns)
    return {step.inputs[0]: (above, beside)}


@lowers(ConvInputGradient, ConvTranspose, accepts=_accepts_input, borders=_input_borders)
def input_gradient(step: Step, build: Builder) -> None:
    """Convolutions of dy with the reversed weight: one for each phase of the stride."""
    build.image(step.read(0))
    dx = build.new_image((step.node, 0))
    bias = packed_bias(step, build)
    rows, columns = _axes(step)
    if not _have_taps(rows, columns):
        build.emit("clear", dx.batch * dx.blocks, [dx.at], [dx.block])
    for row in rows:
        for column in columns:
            if row.taps and column.taps:
                _lower_phase(step, build, row, column, bias)


def _lower_phase(step: Step, build: Builder, row: _Phase, column: _Phase, bias: Ref | None) -> None:
    flow, weight = step.read(0), step.read(1)
    assert isinstance(step.op, ConvInputGradient | ConvTranspose)
    dy, dx = build.images[flow], build.images[step.node, 0]
    down, across = (step.op.stride * 2)[:2]
    offsets = [
        block * dy.block - i * dy.row - j * LANES
        for block in range(dy.blocks)
        for i in range(row.taps)
        for j in range(column.taps)
    ]
    outputs, channels, high, wide = build.types[weight].shape
    run = min(outputs, LANES)
    blocks = blocks_of(channels)
    order = [channels, outputs, run, row.taps, column.taps, high * wide, channels * high * wide]
    order += [down * wide, across, row.tap * wide + column.tap]
    packed = build.packed(blocks * len(offsets) * run * LANES, weight, "pack_taps", blocks, order)
    first = dy.first + row.source * dy.row + column.source * LANES
    group = group_of(column.pixels)
    numbers = [dx.batch, row.pixels, column.pixels, dx.blocks, len(offsets), run]
    numbers += [dy.image, dy.row, LANES, first, dx.image, dx.block, down * dx.row]
    numbers += [dx.first + row.pixel * dx.row + column.pixel * LANES, across * LANES, 0, 0, 0, 0, group, 0]
    tasks = -(-dx.blocks // group) * dx.batch * row.pixels
    build.emit("conv", tasks, [dy.at, packed, bias, None, dx.at, build.table(offsets)], numbers)
