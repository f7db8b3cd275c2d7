"""MNIST's IDX files, written here byte by byte as their description says."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError

WANTED = wants(image="f32[B, 1, 2, 3]", label="i32[B]")
PIXELS = bytes(range(24))
IMAGES = struct.pack(">BBBBIII", 0, 0, 8, 3, 4, 2, 3) + PIXELS
LABELS = struct.pack(">BBBBI", 0, 0, 8, 1, 4) + bytes([3, 1, 4, 1])


def write(folder: Path, images: bytes, labels: bytes, *, zipped: bool = False) -> Path:
    pack: Callable[[bytes], bytes] = gzip.compress if zipped else lambda data: data
    end = ".gz" if zipped else ""
    (folder / f"train-labels-idx1-ubyte{end}").write_bytes(pack(labels))
    path = folder / f"train-images-idx3-ubyte{end}"
    path.write_bytes(pack(images))
    return path


def fails(spec: object, code: str = "E0806") -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(spec, WANTED, DataOptions(scale=1))  # type: ignore[call-overload]
    assert failed.value.code == code, failed.value
    return str(failed.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_images_and_the_labels_beside_them(tmp_path: Path, zipped: bool) -> None:
    path = write(tmp_path, IMAGES, LABELS, zipped=zipped)
    labels = tmp_path / path.name.replace("images", "labels").replace("idx3", "idx1")
    for spec in (path, labels, tmp_path):
        dataset = open_data(spec, WANTED, DataOptions(scale=1))
        rows = dataset.rows([2, 0])
        np.testing.assert_array_equal(rows["image"][0, 0], [[12, 13, 14], [15, 16, 17]])
        np.testing.assert_array_equal(rows["label"], [4, 3])


def test_other_names_of_inputs(tmp_path: Path) -> None:
    dataset = open_data(write(tmp_path, IMAGES, LABELS), wants(x="f32[B, 6]", y="i32[B]"))
    assert dataset.notes[:2] == ("`x` is read from `image`", "`y` is read from `label`")


@pytest.mark.parametrize(("code", "dtype"), [(9, "b"), (11, "h"), (12, "i"), (13, "f"), (14, "d")])
def test_element_types(tmp_path: Path, code: int, dtype: str) -> None:
    data = struct.pack(">BBBBII", 0, 0, code, 2, 2, 2) + struct.pack(f">4{dtype}", 1, -2, 3, 4)
    (tmp_path / "x-idx2-ubyte").write_bytes(data)
    rows = open_data(tmp_path / "x-idx2-ubyte", wants(x="f32[B, 2]")).rows([0, 1])
    np.testing.assert_array_equal(rows["x"], [[1, -2], [3, 4]])


@pytest.mark.parametrize("zipped", [False, True])
def test_truncated(tmp_path: Path, zipped: bool) -> None:
    message = fails(write(tmp_path, IMAGES[:-7], LABELS, zipped=zipped))
    assert "needs 40 bytes for [4, 2, 3], but has 33; it ends in row 2 of 4" in message


def test_a_gzip_file_that_breaks_off(tmp_path: Path) -> None:
    path = write(tmp_path, IMAGES * 1, LABELS, zipped=True)
    path.write_bytes(path.read_bytes()[:-9])
    assert "is damaged, or ends too early" in fails(path)


def test_too_long_damaged_and_uneven(tmp_path: Path) -> None:
    assert "but has 41" in fails(write(tmp_path, IMAGES + b"x", LABELS))
    assert "does not begin as an IDX file does: 89 50 4e 47" in fails(
        write(tmp_path, b"\x89PNG" + IMAGES, LABELS)
    )
    assert "it is empty" in fails(write(tmp_path, b"", LABELS))
    assert "ends within its header" in fails(write(tmp_path, IMAGES[:9], LABELS))
    short = struct.pack(">BBBBI", 0, 0, 8, 1, 3) + bytes(3)
    assert "4 rows of `image` and 3 of `label`" in fails(write(tmp_path, IMAGES, short), "E0854")
    huge = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    assert "impossible shape" in fails(write(tmp_path, huge, LABELS))
