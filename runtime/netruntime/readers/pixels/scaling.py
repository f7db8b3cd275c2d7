"""The one rule for bytes: those for a model's input of floats are multiplied by `scale`; labels never are."""

from __future__ import annotations

import numpy as np

from netruntime.files.arrays import Array
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.layouts import Conversion
from netruntime.readers.pixels.pictures import Picture


def scaling(
    dtype: str, picture: Picture | None, wanted: InputSpec, options: DataOptions
) -> tuple[tuple[Conversion, ...], tuple[str, ...]]:
    """The steps that scale and normalise values of `dtype`, and the notes that say so.

    Bytes become `(byte * scale - mean) / std`, mean and std for each channel of a picture or one for all;
    other numbers stay, and so do bytes for an input of integers, and for a label: 0 and 1 as bytes are
    classes or quantities, and not two shades of black. Raises `DataInputError` E0812 for means
    whose number differs from that of the channels.
    """
    if dtype != "u8" or not wanted.type.dtype.is_float:
        return (), ()
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


def scale_array(array: Array, wanted: InputSpec, options: DataOptions) -> tuple[Array, tuple[str, ...]]:
    """An array of bytes for a network's input of floats, and notes. Raises as `scaling`."""
    shape = array.shape[1:]
    picture = (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
    steps, notes = scaling("u8", picture, wanted, options)
    for step in steps:
        array = step(array)
    return array, notes


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
