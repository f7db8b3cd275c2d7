"""PNG and JPEG files as arrays `[C, H, W]`, through Pillow (the extra `image`)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.dims import Dim
from netruntime.errors import need_extra, shown
from netruntime.files.arrays import Array
from netruntime.readers.input_spec import ImageOptions, InputSpec

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def read_image(path: Path, wanted: InputSpec, options: ImageOptions) -> Array:
    """One image as `[C, H, W]`: float32, or bytes for an input of integers.

    The last three axes of the input's type say how many channels (1 is grey, 3 is red, green, blue) and
    how large; the image keeps its own size on an axis that is free. Transparent parts become white, and
    a camera's note of how it was held is obeyed. Raises `DataInputError`: E0810 for what is not an
    image, E0811 for one of too many pixels, E0812 where the input or the options do not suit images; and
    `MissingExtraError`, `OSError`.
    """
    channels, height, width = _image_axes(wanted)
    image = _open(path, wanted)
    image = _with_channels(image, channels)
    image = _resized(image, height, width, options, wanted)
    pixels = np.asarray(image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return _scaled(planes, options, wanted)


def _image_axes(wanted: InputSpec) -> tuple[Dim, Dim, Dim]:
    shape = wanted.type.shape
    if len(shape) not in (3, 4) or (shape[-3].is_fixed and shape[-3].value not in (1, 3)):
        raise wanted.refuse(
            "E0812",
            f"{wanted} is {wanted.type}, and an image is [C, H, W] or [B, C, H, W] with 1 or 3 channels",
            help="save the data as .npy for other shapes",
        )
    return shape[-3], shape[-2], shape[-1]


def _open(path: Path, wanted: InputSpec) -> Any:
    """The upright image, decoded."""
    pillow = need_extra("PIL.Image", "image", "reading PNG and JPEG images")
    turn = need_extra("PIL.ImageOps", "image", "reading PNG and JPEG images")
    too_large = (pillow.DecompressionBombError, pillow.DecompressionBombWarning)
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            return turn.exif_transpose(pillow.open(stream, formats=("PNG", "JPEG")))
        except too_large as bomb:
            message = f"{shown(path)} has more than {pillow.MAX_IMAGE_PIXELS} pixels, Pillow's limit"
            help = "scale it down first; a small file may unpack to fill the memory"
            raise wanted.refuse("E0811", message, help=help) from bomb
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError) as wrong:
            reason = "" if isinstance(wrong, pillow.UnidentifiedImageError) else f": {wrong}"
            message = f"{shown(path)} is not a PNG or JPEG image that can be read{reason}"
            raise wanted.refuse("E0810", message) from wrong


def _with_channels(image: Any, channels: Dim) -> Any:
    is_grey = channels.value == 1 if channels.is_fixed else image.mode in ("1", "L", "LA", "I", "I;16")
    image = _eight_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = _on_white(image.convert("RGBA"))
    return image.convert("L" if is_grey else "RGB")


def _eight_bits(image: Any) -> Any:
    """Pillow clips grey values of 16 bits when it converts them; this keeps their upper half."""
    if not image.mode.startswith("I"):
        return image
    pillow = need_extra("PIL.Image", "image", "reading PNG and JPEG images")
    grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
    return pillow.fromarray(grey.astype(np.uint8))


def _on_white(image: Any) -> Any:
    pillow = need_extra("PIL.Image", "image", "reading PNG and JPEG images")
    white = pillow.new("RGBA", image.size, (255, 255, 255, 255))
    return pillow.alpha_composite(white, image)


def _resized(image: Any, height: Dim, width: Dim, options: ImageOptions, wanted: InputSpec) -> Any:
    size = (width.value if width.is_fixed else image.width, height.value if height.is_fixed else image.height)
    if 0 in size:
        raise wanted.refuse("E0812", f"{wanted} is {wanted.type}, which has no pixels")
    if size == image.size:
        return image
    bilinear = need_extra("PIL.Image", "image", "reading PNG and JPEG images").Resampling.BILINEAR
    shapes = need_extra("PIL.ImageOps", "image", "reading PNG and JPEG images")
    if options.resize == "fit":
        return shapes.pad(image, size, bilinear)
    return shapes.fit(image, size, bilinear) if options.resize == "crop" else image.resize(size, bilinear)


def _scaled(planes: Array, options: ImageOptions, wanted: InputSpec) -> Array:
    if not wanted.type.dtype.is_float:
        if options.mean or options.std:
            message = f"{wanted} is {wanted.type}: mean and std need an input of floats"
            raise wanted.refuse("E0812", message)
        return planes
    mean = _per_channel("mean", options.mean or (0.0,), len(planes), wanted)
    std = _per_channel("std", options.std or (1.0,), len(planes), wanted)
    if not (std > 0).all() or not np.isfinite(mean).all():
        raise wanted.refuse("E0812", f"the image's std {options.std} must be above 0, and its mean finite")
    scaled = planes.astype(np.float32) * np.float32(options.scale)
    result: Array = (scaled - mean) / std
    return result


def _per_channel(name: str, values: tuple[float, ...], channels: int, wanted: InputSpec) -> Array:
    if len(values) not in (1, channels):
        message = f"the image option {name} has {len(values)} values for {channels} channels"
        raise wanted.refuse("E0812", message)
    return np.array(values, np.float32).reshape(-1, 1, 1)
