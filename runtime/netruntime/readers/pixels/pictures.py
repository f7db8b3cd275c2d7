"""Rows that are pictures: how they lie, and how they come to the size of an input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.types import DType
from netruntime.files.arrays import Array
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions, Resize
from netruntime.readers.pixels.resize import nearest_pictures, resize_pictures
from netruntime.readers.table import ColumnInfo

Picture = tuple[int, int, int]
"""Channels, height and width."""


def picture_of(info: ColumnInfo) -> Picture | None:
    """The picture that a row looks like: `[H, W]`, `[C, H, W]`, or `[H, W, C]` of 1 or 3 channels."""
    item = info.item
    if info.picture:
        return info.picture
    if len(item) == 2:
        return (1, item[0], item[1])
    if len(item) == 3:
        return (item[2], item[0], item[1]) if item[-1] in (1, 3) and item[0] not in (1, 3) else three(item)
    return None


def target_picture(dims: tuple[Dim, ...], channels: int) -> Picture | None:
    """The picture of `channels` that a row of fixed sizes holds; a flat one is taken as square."""
    if not dims or not all(dim.is_fixed for dim in dims):
        return None
    shape = tuple(dim.value for dim in dims)
    if len(shape) == 1:
        side = math.isqrt(shape[0] // channels)
        return (channels, side, side) if side and side * side * channels == shape[0] else None
    if len(shape) == 2:
        return (1, shape[0], shape[1]) if channels == 1 else None
    return three(shape) if len(shape) == 3 and shape[0] == channels else None


def takes_pictures(wanted: InputSpec, options: DataOptions) -> bool:
    """Whether rows of the input can be pictures of 1 or 3 channels."""
    dims = options.with_sizes(wanted.item)
    if len(dims) == 3:
        return not dims[0].is_fixed or dims[0].value in (1, 3)
    return any(target_picture(dims, channels) for channels in (1, 3))


def picture_input(wanted: Sequence[InputSpec], options: DataOptions) -> InputSpec | None:
    """The one input that takes pictures, where it is clear which."""
    able = [spec for spec in wanted if takes_pictures(spec, options)]
    likely = [spec for spec in able if spec.type.dtype.is_float or spec.type.dtype is DType.U8] or able
    return likely[0] if len(likely) == 1 else None


def picture_sizes(wanted: InputSpec, options: DataOptions) -> tuple[int | None, int | None, int | None]:
    """The channels, height and width that an input fixes; None for those of the picture itself.

    Raises `DataInputError` E0812 where a picture would have no pixels.
    """
    dims = options.with_sizes(wanted.item)
    target = target_picture(dims, 1) or target_picture(dims, 3)
    if target is None and len(dims) != 3:
        return None, None, None
    channels, height, width = target or (dim.value if dim.is_fixed else None for dim in dims)
    if 0 in (height, width):
        raise wanted.refuse("E0812", f"{wanted} is {wanted.type}, which has no pixels")
    return channels, height, width


@immutable
class PictureFit:
    """Brings pictures `[n, ...]` to another size; grey ones are repeated where 3 channels are wanted.

    Where `classes` is set the pixels are class indices, and it goes around them: none are mixed.
    """

    picture: Picture
    target: Picture
    shape: tuple[int, ...]
    is_last: bool
    how: Resize
    classes: int | None = None

    @classmethod
    def of(cls, info: ColumnInfo, dims: tuple[Dim, ...], how: Resize) -> PictureFit | None:
        """From a column to an input whose rows are `dims`; None where either holds no such pictures."""
        picture = picture_of(info)
        if picture is None:
            return None
        target = target_picture(dims, picture[0])
        if target is None and picture[0] == 1 and len(dims) == 3:
            target = target_picture(dims, 3)
        if target is None:
            return None
        is_last = len(info.item) == 3 and info.item != picture
        return cls(picture, target, tuple(dim.value for dim in dims), is_last, how)

    @property
    def repeats_grey(self) -> bool:
        """Whether grey pictures become three equal channels."""
        return self.picture[0] != self.target[0]

    @property
    def note(self) -> str:
        (_, height, width), (_, new_height, new_width) = self.picture, self.target
        grey = ", and grey is repeated for 3 channels" if self.repeats_grey else ""
        how = self.how if self.classes is None else f"{self.how}, by the nearest pixel"
        return f"images of {height}x{width} are resized to {new_height}x{new_width} ({how}){grey}"

    def __call__(self, rows: Array) -> Array:
        planes = channels_first(rows) if self.is_last else rows.reshape(-1, *self.picture)
        height, width = self.target[1:]
        if self.classes is not None:
            resized = nearest_pictures(planes, height, width, self.how, self.classes)
        else:
            resized = resize_pictures(planes, height, width, self.how)
        if self.repeats_grey:
            resized = np.repeat(resized, self.target[0], axis=1)
        return resized.reshape(len(rows), *self.shape)


def channels_first(rows: Array) -> Array:
    """`[N, H, W, C]` as `[N, C, H, W]`."""
    return rows.transpose(0, 3, 1, 2)


def three(shape: tuple[int, ...]) -> Picture:
    """A shape of three sizes as a picture."""
    return (shape[0], shape[1], shape[2])
