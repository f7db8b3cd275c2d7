"""The one rule for the values of pictures: how bytes are scaled, and how floats are normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netruntime.errors import DataInputError
from netruntime.files.arrays import Array, cast
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.layouts import Conversion
from netruntime.readers.pixels.pictures import Picture

_BRIGHT = 100
"""Values of pictures above this are taken for those of bytes."""


def scaling(
    dtype: str, picture: Picture | None, wanted: InputSpec, options: DataOptions
) -> tuple[tuple[Conversion, ...], tuple[str, ...]]:
    """The steps that scale and normalise values of `dtype`, and the notes that say so.

    Bytes become `(byte * scale - mean) / std`, mean and std for each channel of a picture or one for all;
    other numbers stay, and so do bytes for an input of integers, and for a label: 0 and 1 as bytes are
    classes or quantities, and not two shades of black. Raises `DataInputError` E0812 for means
    whose number differs from that of the channels.
    """
    if not wanted.type.dtype.is_float:
        return (), ()
    if dtype != "u8":
        is_left = bool(picture and (options.mean or options.std)) and not options.is_label(wanted.name)
        return (), (f"mean and std are for bytes: the values, {dtype}, are kept",) if is_left else ()
    if options.is_label(wanted.name):
        return (), ("bytes are kept as they are: it is a label",)
    factor = options.factor
    scale = np.float32(factor)
    steps: list[Conversion] = [] if factor == 1 else [lambda rows: rows.astype(np.float32) * scale]
    notes = [] if factor == 1 else [f"bytes are multiplied by {scale_text(factor)}"]
    if options.mean or options.std:
        steps.append(_normalising(picture, wanted, options))
        notes.append("mean and std are applied")
    return tuple(steps), tuple(notes)


def unscaled_note(
    rows: Array, picture: Picture | None, wanted: InputSpec, options: DataOptions
) -> tuple[str, ...]:
    """A note where pictures of other numbers have the range of bytes, which alone are scaled."""
    usual = wanted.type.dtype.is_float and not options.is_label(wanted.name) and options.factor != 1
    if not usual or picture is None or options.normalise or rows.dtype.kind not in "iuf":
        return ()
    if rows.dtype == np.uint8 or not rows.size:
        return ()
    low, high = float(rows.min()), float(rows.max())
    if not (low >= 0 and _BRIGHT < high <= 255):
        return ()
    scale = scale_text(options.factor)
    way = "convert them with array.astype('uint8')"
    return (f"values up to {high:g} are not scaled: only bytes are, by {scale}; {way}",)


def scale_array(array: Array, wanted: InputSpec, options: DataOptions) -> tuple[Array, tuple[str, ...]]:
    """An array of bytes for a network's input of floats, and notes. Raises as `scaling`."""
    shape = array.shape[1:]
    picture = (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
    picture = picture or as_in_training(shape, wanted, options)
    steps, notes = scaling("u8", picture, wanted, options)
    for step in steps:
        array = step(array)
    if picture and options.normalise:
        array = normalised(cast(array, wanted.type.dtype), picture, *options.normalise)
        notes = (*notes, normalise_note(options.normalise))
    return array, notes


def normalised(values: Array, picture: Picture, mean: Sequence[float], std: Sequence[float]) -> Array:
    """Pictures of floats `[n, ..]`, less the mean and divided by the deviation of each channel.

    They are computed in their own element type. Raises `DataInputError` E0836 where the number of means is
    not that of the channels.
    """
    if len(mean) not in (1, picture[0]):
        message = f"`normalise` has {len(mean)} means, but the images have {picture[0]} channels"
        raise DataInputError.make("E0836", message)
    ours, theirs = (np.array(numbers, values.dtype).reshape(-1, 1) for numbers in (mean, std))
    result: Array = (values.reshape(len(values), picture[0], -1) - ours) / theirs
    return result.reshape(values.shape)


def normalise_note(normalise: tuple[Sequence[float], Sequence[float]]) -> str:
    mean, std = (", ".join(f"{number:g}" for number in numbers) for numbers in normalise)
    return f"normalised as in training: less {mean}, divided by {std}"


def as_in_training(shape: Sequence[int], wanted: InputSpec, options: DataOptions) -> Picture | None:
    """What the picture of a row is that comes without its axes, as columns of a table do."""
    before = options.pictures.get(wanted.name)
    return before if before and len(shape) == 1 and math.prod(before) == shape[0] else None


def scale_text(scale: float) -> str:
    """`1/255` for 0.00392..., other factors in six digits."""
    return f"1/{1 / scale:.6g}" if 0 < scale < 1 else f"{scale:.6g}"


def _normalising(picture: Picture | None, wanted: InputSpec, options: DataOptions) -> Conversion:
    channels = picture[0] if picture else 1
    mean = _per_channel("mean", options.mean or (0.0,), channels, wanted)
    std = _per_channel("std", options.std or (1.0,), channels, wanted)
    for name, values, rule, fits in (
        ("std", options.std, "above 0", (std > 0) & np.isfinite(std)),
        ("mean", options.mean, "finite", np.isfinite(mean)),
    ):
        if not fits.all():
            listed = ", ".join(f"{value:g}" for value in values)
            raise wanted.refuse("E0812", f"the image option {name} must be {rule}, but is {listed}")

    def normalise(rows: Array) -> Array:
        by_channel = rows.astype(np.float32, copy=False).reshape(len(rows), channels, -1)
        result: Array = ((by_channel - mean) / std).reshape(rows.shape)
        return result

    return normalise


def _per_channel(name: str, values: tuple[float, ...], channels: int, wanted: InputSpec) -> Array:
    if len(values) not in (1, channels):
        message = f"the image option {name} has {len(values)} values for {channels} channels"
        raise wanted.refuse("E0812", message)
    return np.array(values, np.float32).reshape(-1, 1)
