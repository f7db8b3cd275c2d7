"""Images against Pillow's own pixels: channels, sizes, scaling, and files that are no images."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions
from netruntime.errors import DataInputError, MissingExtraError
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

B, H, W = symbol("B"), symbol("H"), symbol("W")
FREE = InputSpec("image", tensor("f32", B, 3, H, W))


def pixels(height: int, width: int, *channels: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), np.uint8)


def saved(path: Path, array: Any, **options: Any) -> str:
    Image.fromarray(array).save(path, **options)
    return str(path)


def spec_of(*shape: Any, dtype: str = "f32") -> InputSpec:
    return InputSpec("image", tensor(dtype, *shape))


def read(path: str, wanted: InputSpec, **options: Any) -> Any:
    return read_input(path, wanted, DataOptions(**options))


def refusal(path: str, wanted: InputSpec, **options: Any) -> tuple[str, str]:
    with pytest.raises(DataInputError) as caught:
        read(path, wanted, **options)
    return caught.value.code, caught.value.diagnostics[0].message


def planes(image: Any) -> Any:
    return np.asarray(image).transpose(2, 0, 1)[None] / np.float32(255)


def test_colours_come_first_and_in_zero_to_one(tmp_path: Path) -> None:
    array = pixels(5, 7, 3)
    path = saved(tmp_path / "x.png", array)
    got = read(path, FREE)
    assert got.dtype == np.float32 and got.shape == (1, 3, 5, 7)
    np.testing.assert_allclose(got, planes(array), rtol=1e-6)
    np.testing.assert_array_equal(read(path, spec_of(3, H, W)), got[0])
    np.testing.assert_array_equal(read(path, spec_of(B, 3, H, W, dtype="u8"))[0, 2], array[..., 2])


def test_jpeg_and_grey(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.JPG", pixels(8, 8, 3), format="JPEG")
    with Image.open(path) as image:
        np.testing.assert_allclose(read(path, FREE), planes(image.convert("RGB")), rtol=1e-6)
        grey = np.asarray(image.convert("L"))[None, None] / np.float32(255)
    np.testing.assert_allclose(read(path, spec_of(B, 1, H, W)), grey, rtol=1e-6)


def test_a_free_number_of_channels_is_the_images_own(tmp_path: Path) -> None:
    wanted = spec_of(B, symbol("C"), H, W)
    assert read(saved(tmp_path / "g.png", pixels(2, 2)), wanted).shape == (1, 1, 2, 2)
    assert read(saved(tmp_path / "c.png", pixels(2, 2, 3)), wanted).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_resizing_as_pillow_does(resize: Any, tmp_path: Path) -> None:
    array = pixels(10, 30, 3)
    path = saved(tmp_path / "x.png", array)
    bilinear = Image.Resampling.BILINEAR
    shapes = {
        "stretch": lambda image: image.resize((8, 8), bilinear),
        "fit": lambda image: ImageOps.pad(image, (8, 8), bilinear),
        "crop": lambda image: ImageOps.fit(image, (8, 8), bilinear),
    }
    channels = [Image.fromarray(array[..., n].astype(np.float32)) for n in range(3)]  # bytes would be rounded
    expected = np.stack([shapes[resize](channel) for channel in channels])
    got = read(path, spec_of(B, 3, 8, 8), resize=resize)
    np.testing.assert_allclose(got[0], expected / 255, rtol=1e-5)


def test_one_fixed_side_leaves_the_other(tmp_path: Path) -> None:
    assert read(saved(tmp_path / "x.png", pixels(10, 30, 3)), spec_of(B, 3, 8, W)).shape == (1, 3, 8, 30)


def test_a_size_that_is_no_multiple_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", pixels(10, 30, 3))
    assert read(path, spec_of(B, 3, 5 * H, W)).shape == (1, 3, 10, 30)
    code, text = refusal(path, spec_of(B, 3, 4 * H, W))
    assert code == "E0801" and text.endswith("axis 2 is 10, which is not `H*4` for any integer H")


def test_mean_and_std_per_channel(tmp_path: Path) -> None:
    array = pixels(2, 2, 3)
    path = saved(tmp_path / "x.png", array)
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    expected = (np.asarray(array) / 255 - mean) / std
    got = read(path, FREE, mean=mean, std=std)
    np.testing.assert_allclose(got[0], expected.transpose(2, 0, 1), rtol=1e-5)
    np.testing.assert_allclose(
        read(path, FREE, mean=(127.5,), scale=1.0).mean(), array.mean() - 127.5, rtol=1e-4
    )


def test_transparency_becomes_white(tmp_path: Path) -> None:
    array = np.zeros((1, 2, 4), np.uint8)
    array[0, 0] = (0, 0, 0, 255)
    assert read(saved(tmp_path / "x.png", array), spec_of(B, 1, H, W))[0, 0].tolist() == [[0, 1]]


def test_grey_values_of_16_bits_keep_their_upper_half(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", np.array([[0, 0x1234, 0xFFFF]], np.uint16))
    assert read(path, spec_of(B, 1, H, W, dtype="u8"))[0, 0].tolist() == [[0, 0x12, 0xFF]]
    assert read(path, spec_of(B, symbol("C"), H, W)).shape == (1, 1, 1, 3)


def test_a_camera_turned_on_its_side(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "x.png", pixels(2, 5, 3), exif=exif)
    assert read(path, FREE).shape == (1, 3, 5, 2)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"not an image")
    assert refusal(str(path), FREE) == ("E0810", f"`{path}` is not a PNG or JPEG image that can be read")
    saved(tmp_path / "x.gif", pixels(2, 2), format="GIF")
    path.write_bytes((tmp_path / "x.gif").read_bytes())
    assert refusal(str(path), FREE)[0] == "E0810"
    saved(path, pixels(50, 50, 3))
    path.write_bytes(path.read_bytes()[:1000])
    code, text = refusal(str(path), FREE)
    assert code == "E0810" and "image file is truncated" in text


@pytest.mark.parametrize("limit", [30, 60])
def test_too_many_pixels(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", pixels(8, 10, 3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert refusal(path, FREE) == ("E0811", f"`{path}` has more than {limit} pixels, Pillow's limit")


@pytest.mark.parametrize(
    ("wanted", "options", "text"),
    [
        (
            spec_of(B, 4, H, W),
            {},
            "input `image` is f32[B, 4, H, W], but an image is [C, H, W] or [B, C, H, W] "
            "with 1 or 3 channels",
        ),
        (
            spec_of(H, W),
            {},
            "input `image` is f32[H, W], but an image is [C, H, W] or [B, C, H, W] with 1 or 3 channels",
        ),
        (spec_of(3, 0, W), {}, "input `image` is f32[3, 0, W], which has no pixels"),
        (FREE, {"mean": (1.0, 2.0)}, "the image option mean has 2 values for 3 channels"),
        (FREE, {"std": (0.0,)}, "the image option std must be above 0, but is 0"),
        (FREE, {"mean": (math.nan,)}, "the image option mean must be finite, but is nan"),
        (
            spec_of(3, H, W, dtype="u8"),
            {"mean": (1.0,)},
            "input `image` is u8[3, H, W]: mean and std need an input of floats",
        ),
    ],
)
def test_inputs_and_options_that_do_not_suit_images(
    wanted: InputSpec, options: Any, text: str, tmp_path: Path
) -> None:
    assert refusal(saved(tmp_path / "x.png", pixels(2, 2, 3)), wanted, **options) == ("E0812", text)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", pixels(2, 2))
    for module in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install .netdsl\[image\].$"):
        read(path, FREE)
