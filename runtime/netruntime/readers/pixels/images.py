"""The pixels of PNG and JPEG files, through Pillow (the extra `image`)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from netruntime.errors import need_extra, shown
from netruntime.files.arrays import Array
from netruntime.readers.input_spec import InputSpec

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def decode(path: Path, channels: int | None, wanted: InputSpec) -> Array:
    """The pixels of one image, u8 `[C, H, W]`: 1 channel is grey, 3 are red, green, blue; None takes its own.

    Transparent parts become white, and the EXIF orientation is applied. Raises `DataInputError`, about the
    input `wanted`: E0810 for what is not an image, E0811 for one of too many pixels; and
    `MissingExtraError`, `OSError`.
    """
    pixels = np.asarray(_with_channels(_open(path, wanted), channels))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


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


def _with_channels(image: Any, channels: int | None) -> Any:
    is_grey = image.mode in ("1", "L", "LA", "I", "I;16") if channels is None else channels == 1
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
