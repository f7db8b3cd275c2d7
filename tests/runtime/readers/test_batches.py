"""Folders, globs and long files, batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions
from netruntime.errors import DataInputError
from netruntime.readers.batches import read_batches
from netruntime.readers.input_spec import InputSpec

B, H = symbol("B"), symbol("H")
ROWS = InputSpec("x", tensor("f32", B, 2))


def spec_of(*shape: Any) -> InputSpec:
    return InputSpec("x", tensor("f32", *shape))


def collected(spec: Any, wanted: InputSpec, size: int, **options: Any) -> list[tuple[tuple[str, ...], Any]]:
    batches = read_batches(str(spec), wanted, size, DataOptions(**options))
    return [(batch.names, batch.array.tolist()) for batch in batches]


def refusal(spec: Any, wanted: InputSpec, size: int, **options: Any) -> tuple[str, str]:
    with pytest.raises(DataInputError) as caught:
        collected(spec, wanted, size, **options)
    return caught.value.code, caught.value.diagnostics[0].message


def images(folder: Path, **sizes: int) -> Path:
    folder.mkdir(exist_ok=True)
    for n, (name, size) in enumerate(sizes.items()):
        Image.new("L", (size, size), n * 255).save(folder / f"{name}.png")
    return folder


def test_a_folder_of_images_in_the_order_of_names(tmp_path: Path) -> None:
    folder = images(tmp_path / "pictures", b=1, a=1, c=1)
    (folder / "notes.md").touch()
    (folder / ".hidden.png").touch()
    (folder / "deeper.png").mkdir()
    got = collected(folder, spec_of(B, 1, 1, 1), 2)
    assert [names for names, _ in got] == [("a.png", "b.png"), ("c.png",)]
    assert got[0][1] == [[[[1.0]]], [[[0.0]]]]


def test_a_glob(tmp_path: Path) -> None:
    images(tmp_path, a1=1, a2=1, b1=1)
    assert [n for n, _ in collected(tmp_path / "a*.png", spec_of(B, 1, H, H), 5)] == [("a1.png", "a2.png")]


def test_a_long_file_is_cut_into_batches(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6).reshape(3, 2))
    assert collected(tmp_path / "x.npy", ROWS, 2) == [
        (("x.npy[0]", "x.npy[1]"), [[0, 1], [2, 3]]),
        (("x.npy[2]",), [[4, 5]]),
    ]


def test_single_items_and_small_batches_mix(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2))
    np.save(tmp_path / "b.npy", np.ones((2, 2)))
    assert [n for n, _ in collected(tmp_path, ROWS, 3)] == [("a.npy", "b.npy[0]", "b.npy[1]")]


def test_a_fixed_batch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((5, 2)))
    wanted = spec_of(2, 2)
    assert refusal(tmp_path, wanted, 3) == (
        "E0818",
        "input `x` is f32[2, 2], batches of 2, but batches of 3 were requested",
    )
    assert refusal(tmp_path, wanted, 2) == (
        "E0818",
        "input `x` takes batches of 2, but 1 items are left for the last",
    )
    assert refusal(tmp_path, ROWS, 2, sizes={"B": 2})[1].endswith("1 items are left for the last")
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    assert len(collected(tmp_path, wanted, 2)) == 2


def test_items_of_different_shapes_are_named(tmp_path: Path) -> None:
    folder = images(tmp_path / "pictures", a=1, b=2)
    assert refusal(folder, spec_of(B, 1, H, H), 2) == (
        "E0818",
        "items of one batch are of one shape, but `a.png` is f32[1, 1, 1] and `b.png` f32[1, 2, 2]",
    )
    assert len(collected(folder, spec_of(B, 1, H, H), 1)) == 2


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2))
    np.save(tmp_path / "b.npy", np.zeros(3))
    assert refusal(tmp_path, ROWS, 1) == (
        "E0801",
        f"input `x` is f32[B, 2], but `{tmp_path / 'b.npy'}` holds f64[1, 3]: axis 1 is 3, not 2",
    )


def test_files_are_read_as_they_are_reached(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2))
    (tmp_path / "b.npy").write_bytes(b"damaged")
    batches = read_batches(str(tmp_path), ROWS, 1)
    assert next(batches).names == ("a.npy",)
    with pytest.raises(DataInputError, match="E0806"):
        next(batches)


def test_nothing_to_read(tmp_path: Path) -> None:
    assert refusal(tmp_path, ROWS, 1) == (
        "E0817",
        f"the folder `{tmp_path}` holds no data that netdsl reads",
    )
    assert refusal(tmp_path / "*.png", ROWS, 1) == (
        "E0817",
        f"no data files match `{tmp_path / '*.png'}`",
    )
    assert refusal(tmp_path / "x.npy", ROWS, 1)[0] == "E0802"


def test_batches_that_cannot_be(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(2))
    assert refusal(tmp_path, spec_of(), 1) == (
        "E0818",
        "input `x` is f32[], which has no axis for several items",
    )
    assert refusal(tmp_path, ROWS, 0) == ("E0818", "a batch has at least 1 item, but 0 were requested")
