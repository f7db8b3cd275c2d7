"""Resizing of arrays against Pillow's bilinear filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from netruntime.readers.pixels.resize import resize_pictures

PICTURE = np.random.default_rng(0).random((1, 1, 9, 13), np.float32)
SIZES = [(28, 28), (9, 13), (4, 30), (3, 5), (1, 1), (32, 7)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_stretch(height: int, width: int) -> None:
    ours = resize_pictures(PICTURE, height, width, "stretch")
    theirs = Image.fromarray(PICTURE[0, 0]).resize((width, height), Image.Resampling.BILINEAR)
    assert ours.shape == (1, 1, height, width) and ours.dtype == np.float32
    np.testing.assert_allclose(ours[0, 0], np.asarray(theirs), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_fit(height: int, width: int) -> None:
    ours = resize_pictures(PICTURE, height, width, "fit")[0, 0]
    scale = min(height / 9, width / 13)
    inner = (max(1, round(13 * scale)), max(1, round(9 * scale)))
    theirs = np.asarray(Image.fromarray(PICTURE[0, 0]).resize(inner, Image.Resampling.BILINEAR))
    assert ours.shape == (height, width)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    np.testing.assert_allclose(ours[top : top + inner[1], left : left + inner[0]], theirs, atol=1e-5)
    assert np.isclose(ours.sum(), theirs.sum(), rtol=1e-4), "the rest is 0"


def test_crop_fills_the_whole() -> None:
    ours = resize_pictures(np.ones((2, 3, 9, 13)), 20, 5, "crop")
    np.testing.assert_allclose(ours, np.ones((2, 3, 20, 5)), rtol=1e-6)
    square = resize_pictures(PICTURE, 9, 9, "crop")
    np.testing.assert_allclose(square, PICTURE[..., 2:11], atol=1e-6)
    assert ImageOps.fit(Image.fromarray(PICTURE[0, 0]), (9, 9)).size == (9, 9)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (40, 150), (31, 9), (150, 20)])
@pytest.mark.parametrize("how", ["stretch", "crop"])
def test_large_pictures(height: int, width: int, how: Any) -> None:
    large = np.random.default_rng(1).integers(0, 256, (2, 3, 120, 90), np.uint8)
    ours = resize_pictures(large, height, width, how)
    assert ours.dtype == np.float32
    if how == "stretch":
        theirs = Image.fromarray(large[1, 2].astype(np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        np.testing.assert_allclose(ours[1, 2], np.asarray(theirs), rtol=1e-5)
    np.testing.assert_array_equal(resize_pictures(large[1:], height, width, how)[0], ours[1])
    last = np.ascontiguousarray(large.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(resize_pictures(last, height, width, how), ours)
