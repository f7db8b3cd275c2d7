"""Folders of pictures, one sub-folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants
from PIL import Image

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError

WANTED = wants(image="f32[B, 1, 4, 4]", label="i32[B]")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, values in {"cat": (10, 20), "dog": (30,)}.items():
        (tmp_path / name).mkdir()
        for value in values:
            Image.new("L", (4, 4), value).save(tmp_path / name / f"{value}.png")
    (tmp_path / "dog" / ".hidden.png").write_bytes(b"")
    (tmp_path / "dog" / "notes.txt").write_text("")
    return tmp_path


def fails(code: str, folder: Path, **options: object) -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(folder, WANTED, DataOptions(**options)).rows([0])  # type: ignore[arg-type]
    assert failed.value.code == code, failed.value
    return str(failed.value)


def test_classes_by_folder(photos: Path) -> None:
    dataset = open_data(photos, WANTED, DataOptions(scale=1))
    assert dataset.classes == {"label": ("cat", "dog")} and len(dataset) == 3
    rows = dataset.rows([2, 0])
    np.testing.assert_array_equal(rows["label"], [1, 0])
    np.testing.assert_array_equal(rows["image"][:, 0, 0, 0], [30, 10])
    assert dataset.place("image", 2) == f"`{photos}/dog/30.png`"


@pytest.mark.parametrize(
    ("type", "shape"),
    [("f32[B, 3, 8, 8]", (1, 3, 8, 8)), ("f32[B, 16]", (1, 16)), ("f32[B, 1, H, W]", (1, 1, 4, 4))],
)
def test_sizes(photos: Path, type: str, shape: tuple[int, ...]) -> None:
    assert open_data(photos, wants(x=type, y="i32[B]")).rows([0])["x"].shape == shape


def test_pictures_without_classes(photos: Path) -> None:
    dataset = open_data(photos / "cat", wants(image="f32[B, 1, 4, 4]"))
    assert len(dataset) == 2 and dataset.columns.keys() == {"image"}


def test_classes_of_validation_keep_their_numbers(photos: Path) -> None:
    dataset = open_data(photos, WANTED, DataOptions(class_names=("ant", "cat", "dog")))
    np.testing.assert_array_equal(dataset.rows([0, 2])["label"], [1, 2])
    assert "has the class `dog`" in fails("E0817", photos, class_names=("ant", "cat"))


def test_an_empty_class_and_a_picture_that_is_none(photos: Path) -> None:
    (photos / "eel").mkdir()
    assert f"`{photos}/eel` holds no images" in fails("E0817", photos)
    (photos / "eel").rmdir()
    (photos / "cat" / "10.png").write_bytes(b"nothing")
    assert "cat/10.png" in fails("E0810", photos)


def test_pictures_of_different_sizes_where_the_input_leaves_them_free(photos: Path) -> None:
    Image.new("L", (8, 6), 90).save(photos / "cat" / "99.png")
    want = wants(image="f32[B, 1, H, W]", label="i32[B]")
    with pytest.raises(DataInputError, match=r"E0818.*10.png` is u8\[1, 4, 4\] and .*99.png` u8\[1, 6, 8\]"):
        open_data(photos, want).rows(range(4))
    sized = open_data(photos, want, DataOptions(sizes={"H": 5, "W": 3}))
    assert sized.rows(range(4))["image"].shape == (4, 1, 5, 3)
    first = open_data(photos, want, DataOptions(resize="stretch"))
    assert first.rows(range(4))["image"].shape == (4, 1, 4, 4)


def test_a_pattern_and_single_pictures(photos: Path) -> None:
    want = wants(image="f32[B, 1, 4, 4]")
    for spec in (str(photos / "*" / "*.png"), [str(p) for p in sorted(photos.glob("*/[0-9]*.png"))]):
        rows = open_data(spec, want, DataOptions(scale=1)).rows(range(3))["image"]
        np.testing.assert_array_equal(rows[:, 0, 0, 0], [10, 20, 30])
    with pytest.raises(DataInputError, match=r"E0817.*no data files match"):
        open_data(str(photos / "*.gif"), want)
