"""Operators that reorder, cut or join arrays: views where strides can say it, else copies; see copy.c."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from netdsl.ops.shape.join import Concat, Split, Stack
from netdsl.ops.shape.rearrange import Expand, Rearrange, Tile, Transpose
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze
from netdsl.ops.shape.slice import Flip, Roll, Slice
from netruntime.native.builder import Builder
from netruntime.native.lowering.images import concat_channels
from netruntime.native.lowering.registry import ANY, lowers
from netruntime.native.steps import Step
from netruntime.native.views import AXES, View


def _few_axes(step: Step) -> bool:
    x = step.type_in(0)
    return step.has_elements and x is not None and max(len(x.shape), len(step.type_out.shape)) <= AXES


@lowers(Reshape, Flatten, Squeeze, Unsqueeze, is_alias=True, dtypes=ANY)
def reshape(step: Step, build: Builder) -> None:
    """The same elements with another shape."""
    port, shape = step.read(0), step.type_out.shape
    if port in build.views and port not in build.plains:
        view = build.view(port).mapped(lambda array: array.reshape(shape))
        if view is not None:
            build.show((step.node, 0), view)
            return
    build.alias((step.node, 0), port)


@lowers(Transpose, Expand, Slice, Flip, accepts=_few_axes, dtypes=ANY)
def view(step: Step, build: Builder) -> None:
    """A view of the input, which is copied only if somebody needs it as an array."""
    x = build.view(step.read(0))
    build.show((step.node, 0), x.must(lambda array: step.op.forward(np, array)))


@lowers(Split, accepts=_few_axes, dtypes=ANY)
def split(step: Step, build: Builder) -> None:
    """Several views."""
    x = build.view(step.read(0))
    for n in range(step.outputs):
        build.show((step.node, n), x.must(lambda array, n=n: step.op.forward(np, array)[n]))  # type: ignore[misc]


def _accepts_rearrange(step: Step) -> bool:
    op = step.op
    assert isinstance(op, Rearrange)
    return _few_axes(step) and len(op.split) <= AXES


@lowers(Rearrange, accepts=_accepts_rearrange, dtypes=ANY)
def rearrange(step: Step, build: Builder) -> None:
    """The axes split, reordered and merged: a view where nothing is merged that lies apart."""
    op, port = step.op, step.read(0)
    assert isinstance(op, Rearrange)
    sizes = [int(size) for size in op.split]
    x = build.view(port)
    parts = x.mapped(lambda array: array.reshape(sizes))
    if parts is None:
        build.plain(port)
        parts = build.view(port).must(lambda array: array.reshape(sizes))
    ordered = parts.must(lambda array: array.transpose(op.order))
    merged = ordered.mapped(lambda array: array.reshape(step.type_out.shape))
    build.show((step.node, 0), ordered if merged is None else merged)


def _paste(build: Builder, parts: list[View], whole: View, axis: int) -> None:
    """Copy views into an array, one after the other along an axis."""
    ends = list(accumulate(part.shape[axis] for part in parts))
    for part, end in zip(parts, ends, strict=True):
        place = (*[slice(None)] * axis, slice(end - part.shape[axis], end))
        build.copy(part, whole.must(lambda array, place=place: array[place]))  # type: ignore[misc]


@lowers(Concat, accepts=_few_axes, dtypes=ANY)
def concat(step: Step, build: Builder) -> None:
    """The inputs one after the other."""
    op = step.op
    assert isinstance(op, Concat)
    if len(step.type_out.shape) == 4 and op.axis in (1, -3) and concat_channels(step, build):
        return
    parts = [build.view(step.read(slot)) for slot in range(len(step.inputs))]
    _paste(build, parts, build.contiguous((step.node, 0)), op.axis % len(step.type_out.shape))


@lowers(Stack, accepts=_few_axes, dtypes=ANY)
def stack(step: Step, build: Builder) -> None:
    """The inputs one after the other along a new axis."""
    op = step.op
    assert isinstance(op, Stack)
    axis = op.axis % len(step.type_out.shape)
    parts = [build.view(step.read(slot)) for slot in range(len(step.inputs))]
    parts = [part.must(lambda array: np.expand_dims(array, axis)) for part in parts]
    _paste(build, parts, build.contiguous((step.node, 0)), axis)


@lowers(Roll, accepts=_few_axes, dtypes=ANY)
def roll(step: Step, build: Builder) -> None:
    """The two parts of an axis exchanged."""
    op = step.op
    assert isinstance(op, Roll)
    x = build.view(step.read(0))
    axis = op.axis % len(x.shape)
    cut = -op.shift % x.shape[axis]
    places = [slice(cut, None), slice(0, cut)] if cut else [slice(None)]
    parts = [
        x.must(lambda array, place=place: array[(*[slice(None)] * axis, place)])  # type: ignore[misc]
        for place in places
    ]
    _paste(build, parts, build.contiguous((step.node, 0)), axis)


def _accepts_tile(step: Step) -> bool:
    return step.has_elements and 0 < len(step.type_out.shape) <= AXES // 2


@lowers(Tile, accepts=_accepts_tile, dtypes=ANY)
def tile(step: Step, build: Builder) -> None:
    """Copies side by side: each axis with one before it that repeats."""
    op = step.op
    assert isinstance(op, Tile)
    x, y = build.view(step.read(0)), build.contiguous((step.node, 0))
    pairs = [size for pair in zip(op.repeats, x.shape, strict=True) for size in pair]
    source = x.must(lambda array: np.expand_dims(array, tuple(range(0, 2 * array.ndim, 2)))).expanded(pairs)
    build.copy(source, y.must(lambda array: array.reshape(pairs)))
