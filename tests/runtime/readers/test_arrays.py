"""`.npz`, `.npy` and mappings of arrays, and how their columns come to the model's inputs."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError
from netruntime.readers.formats.arrays import read_array_file

GREY = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
LABEL = np.array([0, 1])
PLAIN = DataOptions(scale=1)


def fails(code: str, *args: object, **options: object) -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(*args, DataOptions(**options))  # type: ignore[call-overload,arg-type]
    assert failed.value.code == code, failed.value
    return str(failed.value)


@pytest.mark.parametrize(
    ("raw", "type", "expected"),
    [
        (GREY, "f32[B, 4, 4]", GREY),
        (GREY, "f32[B, 1, 4, 4]", GREY[:, None]),
        (GREY[:, None], "f32[B, 4, 4]", GREY),
        (GREY, "f32[B, 16]", GREY.reshape(2, 16)),
        (GREY.reshape(2, 16), "f32[B, 1, 4, 4]", GREY[:, None]),
        (np.stack([GREY] * 3, -1), "f32[B, 3, 4, 4]", np.stack([GREY] * 3, 1)),
        (np.stack([GREY] * 3, -1), "f32[B, 3, H, W]", np.stack([GREY] * 3, 1)),
        (np.stack([GREY] * 3, -1), "f32[B, C, H, W]", np.stack([GREY] * 3, 1)),
        (np.stack([GREY] * 3, -1), "f32[B, H, W, 3]", np.stack([GREY] * 3, -1)),
        (LABEL[:, None], "i32[B]", LABEL),
        (LABEL, "f32[B, 1]", LABEL[:, None]),
        (np.array([True, False]), "bool[B]", np.array([True, False])),
    ],
)
def test_layouts(raw: np.ndarray, type: str, expected: np.ndarray) -> None:
    rows = open_data({"x": raw}, wants(x=type), PLAIN).rows([0, 1])
    assert rows["x"].dtype.name == {"f": "float32", "i": "int32", "b": "bool"}[type[0]]
    np.testing.assert_array_equal(rows["x"], expected)


def test_bytes_become_fractions_and_it_is_told() -> None:
    dataset = open_data({"x": GREY}, wants(x="f32[B, 1, 4, 4]"))
    np.testing.assert_array_equal(
        dataset.rows([1])["x"], GREY[1:, None].astype(np.float32) * np.float32(1 / 255)
    )
    assert dataset.notes == ("`x`: an axis of one channel is added", "`x`: bytes are multiplied by 1/255")


def test_bytes_for_integers_stay() -> None:
    rows = open_data({"x": GREY}, wants(x="u8[B, 4, 4]")).rows([1])
    np.testing.assert_array_equal(rows["x"], GREY[1:])


def test_bytes_are_resized_and_other_numbers_only_when_asked() -> None:
    want = wants(x="f32[B, 1, 8, 8]")
    floats = GREY.astype(np.float32)
    assert "`--resize stretch` makes images of 8x8 from 4x4" in fails("E0801", {"x": floats}, want)
    assert open_data({"x": floats}, want, DataOptions(resize="fit")).rows([0])["x"].shape == (1, 1, 8, 8)
    fails("E0801", {"x": GREY}, wants(x="i32[B, 1, 8, 8]"))
    dataset = open_data({"x": GREY}, want)
    assert dataset.rows([0])["x"].shape == (1, 1, 8, 8)
    assert dataset.notes[0] == "`x`: images of 4x4 are resized to 8x8 (stretch)"
    flat = open_data({"x": GREY}, wants(x="f32[B, 64]"))
    np.testing.assert_array_equal(flat.rows([0])["x"].reshape(8, 8), dataset.rows([0])["x"][0, 0])
    assert flat.columns["x"].picture == (1, 8, 8)


def test_the_free_sizes_of_pictures_may_be_given() -> None:
    want = wants(x="f32[B, 1, H, W]")
    assert open_data({"x": GREY}, want).rows([0])["x"].shape == (1, 1, 4, 4)
    dataset = open_data({"x": GREY}, want, DataOptions(sizes={"H": 8, "W": 6}))
    assert dataset.rows([0])["x"].shape == (1, 1, 8, 6)


def test_grey_for_three_channels() -> None:
    dataset = open_data({"x": GREY}, wants(x="f32[B, 3, 4, 4]"), DataOptions(resize="fit", scale=1))
    np.testing.assert_allclose(dataset.rows([1])["x"], np.stack([GREY[1:]] * 3, 1), atol=1e-5)
    assert dataset.notes[0].endswith("resized to 4x4 (fit), and grey is repeated for 3 channels")
    last = open_data({"x": np.stack([GREY] * 3, -1)}, wants(x="f32[B, 3, 8, 8]"), DataOptions(resize="fit"))
    first = open_data({"x": np.stack([GREY] * 3, 1)}, wants(x="f32[B, 3, 8, 8]"), DataOptions(resize="fit"))
    np.testing.assert_array_equal(last.rows([0, 1])["x"], first.rows([0, 1])["x"])


def test_a_tuple_of_arrays_in_the_order_of_the_inputs() -> None:
    rows = open_data((GREY, LABEL), wants(x="f32[B, 4, 4]", y="i32[B]"), PLAIN).rows([1])
    np.testing.assert_array_equal(rows["x"], GREY[1:])


def test_a_shape_that_clashes_with_another_input() -> None:
    data = {"a": np.zeros((3, 4), np.float32), "b": np.zeros((3, 5), np.float32)}
    assert "axis 1 is 5, not 4 (`T`)" in fails("E0801", data, wants(a="f32[B, T]", b="f32[B, T]"))


def test_wrong_kinds() -> None:
    message = fails("E0804", {"label": np.array([0.0, 1.0])}, wants(label="i32[B]"))
    assert "f64[N]" in message and "astype('int32')" in message
    fails("E0804", {"x": np.array([True])}, wants(x="f32[B]"))
    fails("E0804", {"x": np.array([0.5])}, wants(x="bool[B]"))
    fails("E0804", {"x": np.array([True])}, wants(x="i32[B]"))
    message = fails("E0804", {"label": np.array([0, 2**40])}, wants(label="i32[B]"))
    assert "1099511627776" in message and "row 1 of the data's `label`" in message
    fails("E0804", {"ids": [[1], [2, 2**40]]}, wants(ids="i32[B, T]"))


def test_nan_is_told_with_its_row_and_place() -> None:
    data = np.zeros((9, 2, 3), np.float32)
    data[5, 1, 2] = np.nan
    assert "row 5 of the data's `x` holds nan at [1, 2]" in fails(
        "E0805", {"x": data}, wants(x="f32[B, 2, 3]")
    )
    rows = open_data({"x": data}, wants(x="f32[B, 2, 3]"), DataOptions(allow_nonfinite=True)).rows([5])
    assert np.isnan(rows["x"]).sum() == 1


def test_labels_out_of_range() -> None:
    message = fails("E0831", {"label": np.array([0, 9, 10])}, wants(label="i32[B]"), classes=10)
    assert "row 2 of the data's `label` has the label 10, but 10 classes have the labels 0 to 9" in message
    assert "label -2" in fails("E0831", {"label": np.array([0, -2])}, wants(label="i32[B]"), classes=10)
    open_data({"label": np.array([0, -1])}, wants(label="i32[B]"), DataOptions(classes=10))
    fails("E0831", {"y": np.array([3])}, wants(y="i32[B]"), classes={"y": 3}, label_names=frozenset({"y"}))


def test_empty_and_uneven() -> None:
    assert "holds no rows" in fails("E0813", {"x": np.zeros((0, 3))}, wants(x="f32[B, 3]"))
    fails("E0813", {}, wants(x="f32[B, 3]"))
    message = fails("E0854", {"x": np.zeros((3, 2)), "y": np.zeros(2)}, wants(x="f32[B, 2]"))
    assert "3 rows of `x` and 2 of `y`" in message


# -- names -----------------------------------------------------------------------------------------


def test_the_only_assignment_that_fits_is_made() -> None:
    dataset = open_data({"a": GREY, "b": LABEL}, wants(image="f32[B, 1, 4, 4]", y="i32[B]"), PLAIN)
    assert dataset.notes[:2] == ("`image` is read from `a`", "`y` is read from `b`")
    np.testing.assert_array_equal(dataset.rows([1])["y"], [1])


def test_ambiguous_columns_are_refused_with_both_sides() -> None:
    data = {"a": np.zeros((2, 1)), "b": np.zeros((2, 1))}
    message = fails("E0830", data, wants(x="f32[B, 1]", y="f32[B, 1]"))
    assert "wants `x` f32[B, 1], `y` f32[B, 1], but the data has `a` f64[N, 1], `b` f64[N, 1]" in message
    assert "more than one assignment makes sense" in message


def test_nothing_fits() -> None:
    message = fails("E0830", {"picture": GREY}, wants(imaje="f32[B, 4, 4]", label="i32[B]"))
    assert "nothing fits" in message


def test_extra_columns_are_left_alone() -> None:
    dataset = open_data({"x": GREY, "label": LABEL, "other": LABEL}, wants(x="f32[B, 4, 4]"), PLAIN)
    assert dataset.rows([0]).keys() == {"x"}


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save: object) -> None:
    path = tmp_path / "d.npz"
    save(path, image=GREY, label=LABEL)  # type: ignore[operator]
    rows = open_data(path, wants(image="f32[B, 4, 4]", label="i32[B]"), PLAIN).rows([1, 0])
    np.testing.assert_array_equal(rows["image"], GREY[::-1])
    np.testing.assert_array_equal(rows["label"], LABEL[::-1])


def test_stored_arrays_are_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.asfortranarray(GREY), big=GREY.astype(">f4"), none=np.zeros((0, 2)))
    np.save(tmp_path / "e.npy", GREY)
    arrays = {
        name: column.array  # type: ignore[attr-defined]
        for name, column in read_array_file(tmp_path / "e.npy").held.items()
    }
    np.savez(tmp_path / "f.npz", image=np.asfortranarray(GREY), big=GREY.astype(">f4"))
    arrays |= {
        name: column.array  # type: ignore[attr-defined]
        for name, column in read_array_file(tmp_path / "f.npz").held.items()
    }
    assert set(arrays) == {"e", "image", "big"}
    for array in arrays.values():
        assert isinstance(array, np.memmap) and isinstance(array._mmap, mmap.mmap)
        np.testing.assert_array_equal(array, GREY)


def test_pairs_of_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", GREY)
    np.savez(tmp_path / "y.npz", first=LABEL, second=LABEL + 1)
    want = wants(image="f32[B, 4, 4]", label="i32[B]")
    spec = f"image={tmp_path}/x.npy label={tmp_path}/y.npz:second"
    for given in (spec, spec.split(" ")):
        np.testing.assert_array_equal(open_data(given, want, PLAIN).rows([0, 1])["label"], [1, 2])
    assert "`first`, `second`" in fails("E0830", spec.replace(":second", ""), want)
    fails("E0839", [f"image={tmp_path}/x.npy", f"{tmp_path}/y.npz"], want)
    fails("E0839", [f"image={tmp_path}/x.npy", f"image={tmp_path}/x.npy"], want)


def test_shards_follow_one_another(tmp_path: Path) -> None:
    for n in range(3):
        np.savez(tmp_path / f"part{n}.npz", x=np.full((n + 1, 2), n, np.float32))
    for spec in (tmp_path, sorted(map(str, tmp_path.iterdir()))):
        dataset = open_data(spec, wants(x="f32[B, 2]"))
        assert len(dataset) == 6
        np.testing.assert_array_equal(dataset.rows([5, 0, 3, 1])["x"][:, 0], [2, 0, 2, 1])
    assert dataset.place("x", 4) == f"row 1 of `x` in `{tmp_path}/part2.npz`"
    np.savez(tmp_path / "part3.npz", y=np.zeros(2))
    assert "one has `x`, another `y`" in fails("E0839", tmp_path, wants(x="f32[B, 2]"))


def test_pickled_objects_are_never_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([{}], object))
    assert "pickle" in fails("E0806", tmp_path / "d.npz", wants(x="f32[B]"))


def test_truncated_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", GREY)
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data[:-5])
    assert "promises 32 bytes of numbers, but it holds 27" in fails(
        "E0806", tmp_path / "x.npy", wants(x="f32[B, 4, 4]")
    )
    np.savez(tmp_path / "d.npz", x=GREY)
    (tmp_path / "d.npz").write_bytes((tmp_path / "d.npz").read_bytes()[:-30])
    assert "zip archive is damaged" in fails("E0806", tmp_path / "d.npz", wants(x="f32[B, 4, 4]"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    np.save(tmp_path / "digits.npy", GREY)
    assert "did you mean `digits.npy`?" in fails("E0802", tmp_path / "digit.npy", wants(x="f32[B, 4, 4]"))
    assert "standard input is not read as data" in fails("E0802", "-", wants(x="f32[B, 4, 4]"))
    (tmp_path / "x.pkl").write_bytes(b"")
    fails("E0803", tmp_path / "x.pkl", wants(x="f32[B]"))
    (tmp_path / "empty").mkdir()
    fails("E0817", tmp_path / "empty", wants(x="f32[B]"))
    fails("E0803", 3, wants(x="f32[B]"))
    for name in ("", " ", "a\0b", "a" * 5000):
        fails("E0802", name, wants(x="f32[B]"))
