"""The ways in which the axes of a row can become those of an input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netruntime.files.arrays import Array
from netruntime.readers.options import Resize
from netruntime.readers.pixels.pictures import Picture, PictureFit, channels_first, picture_of, three
from netruntime.readers.table import ColumnInfo

Conversion = Callable[[Array], Array]


@immutable
class Layout:
    """One way to read a row's axes: the step that does it, and what a row is then."""

    step: Conversion | None
    shape: tuple[int, ...]
    picture: Picture | None
    note: str = ""


def layouts(info: ColumnInfo, dims: tuple[Dim, ...]) -> Iterator[Layout]:
    """The ways to read a row for an input whose rows are `dims`, the likeliest first."""
    item, picture = info.item, picture_of(info)
    is_last = len(item) == 3 and item[-1] in (1, 3) and info.picture != item
    if is_last and len(dims) == 3 and not _is_size(dims[-1], item[-1]):
        moved = (item[2], item[0], item[1])
        yield Layout(channels_first, moved, moved, "the channels are moved from last to first")
    yield Layout(None, item, picture)
    if len(item) == 2 and len(dims) == 3:
        yield Layout(lambda rows: rows[:, None], (1, *item), picture, "an axis of one channel is added")
    elif all(dim.is_fixed for dim in dims):
        shape = tuple(dim.value for dim in dims)
        if math.prod(shape) == math.prod(item) and _may_reshape(item, shape):
            yield _reshaped(item, shape, picture)


def resized(
    info: ColumnInfo, dims: tuple[Dim, ...], how: Resize, *, repeat_grey: bool, classes: int | None = None
) -> Layout | None:
    """Pictures brought to the size of an input whose rows are `dims`; None where they are none.

    With `classes` the pixels are class indices, and it is the one that goes around them.
    """
    fit = PictureFit.of(info, dims, how)
    fit = fit and replace(fit, classes=classes)
    if fit is None or (fit.repeats_grey and not repeat_grey):
        return None
    return Layout(fit, fit.shape, fit.target, fit.note)


def rounded(layout: Layout) -> Layout:
    """The same layout, its numbers rounded, as an input of integers wants them."""
    step = layout.step or (lambda rows: rows)
    return replace(layout, step=lambda rows: np.rint(step(rows)).astype(np.int64))


def _reshaped(item: tuple[int, ...], shape: tuple[int, ...], picture: Picture | None) -> Layout:
    if len(shape) >= 2:
        picture = (1, *shape) if len(shape) == 2 else three(shape)
    note = "" if _without_ones(item) == _without_ones(shape) else f"{list(item)} is reshaped to {list(shape)}"
    return Layout(lambda rows: rows.reshape(len(rows), *shape), shape, picture, note)


def _may_reshape(item: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Flat from any shape, any shape from flat, or the same but for axes of one."""
    return _without_ones(item) == _without_ones(shape) or len(shape) == 1 or len(item) == 1


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _is_size(dim: Dim, size: int) -> bool:
    return dim.is_fixed and dim.value == size
