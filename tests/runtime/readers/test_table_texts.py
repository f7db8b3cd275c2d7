"""Tables as text: names of columns that are numbers, separators, ends of lines, empty and damaged cells."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError

X = wants(x="f32[B, 4]")
ROWS = "5.1,3.5,1.4,0.2\n4.9,3.0,1.4,0.2\n6.2,3.4,5.4,2.3\n"


def table(folder: Path, text: str, name: str = "x.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("head", "count", "note"),
    [
        ("a,b,c,d\n", 3, ""),
        ("0,1,2,3\n", 3, "line 1 .* is read as the names of its columns"),
        ("2019,2020,2021,total\n", 3, "line 1 .* is read as the names of its columns"),
        ("7,8,9,9\n", 4, "line 1 .* is read as data"),
        ("", 3, "line 1 .* is read as data"),
    ],
)
def test_a_first_row_with_numbers(tmp_path: Path, head: str, count: int, note: str) -> None:
    dataset = open_data(table(tmp_path, head + ROWS), X)
    assert len(dataset) == count
    expected = [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [6.2, 3.4, 5.4, 2.3]]
    np.testing.assert_allclose(dataset.rows(range(count))["x"][-3:], expected, rtol=1e-6)
    assert not note or any(re.search(note, text) for text in dataset.notes)


def test_the_row_numbers_that_pandas_writes_are_left_out(tmp_path: Path) -> None:
    text = ",0,1,2,3\n" + "".join(f"{n},{row}\n" for n, row in enumerate(ROWS.split()))
    dataset = open_data(table(tmp_path, text), X)
    np.testing.assert_allclose(dataset.rows([2])["x"], [[6.2, 3.4, 5.4, 2.3]], rtol=1e-6)
    assert any("has no name is left out" in note for note in dataset.notes)


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_found_and_noted(tmp_path: Path, separator: str, name: str) -> None:
    dataset = open_data(table(tmp_path, ("a,b,c,d\n" + ROWS).replace(",", separator)), X)
    np.testing.assert_allclose(dataset.rows([0])["x"], [[5.1, 3.5, 1.4, 0.2]], rtol=1e-6)
    assert any(f"separated by {name}" in note for note in dataset.notes)
    with pytest.raises(DataInputError, match=r"`2,5`.*\n?.*write a decimal point: 2\.5"):
        open_data(table(tmp_path, "a;b;c;d\n1;2;3;4\n1;2,5;3;4\n"), X)


@pytest.mark.parametrize("mark", ["\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r", "\x0b"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_ends_at_a_line_feed_only(tmp_path: Path, mark: str, end: str) -> None:
    rows = [f"good{mark}film,1", f'"bad{mark}one",0']
    path = table(tmp_path, end.join(["text,label", *rows, ""]))
    dataset = open_data(path, wants(text="i32[B]", label="i32[B]"))
    assert dataset.classes["text"] == (f"bad{mark}one", f"good{mark}film")
    assert dataset.rows([0, 1])["label"].tolist() == [1, 0]


def test_whole_numbers_written_with_a_point_are_classes(tmp_path: Path) -> None:
    dataset = open_data(table(tmp_path, "label\n1.0\n0.0\n2.0\n"), wants(label="i32[B]"))
    assert dataset.rows([0, 1, 2])["label"].tolist() == [1, 0, 2]
    with pytest.raises(DataInputError, match="E0804") as caught:
        open_data(table(tmp_path, "label\n1.5\n0.0\n"), wants(label="i32[B]"))
    assert "astype" not in (caught.value.diagnostics[0].help or "")


def test_an_empty_class_is_refused_where_it_is_used(tmp_path: Path) -> None:
    path = table(tmp_path, "x,label,remark\n1,cat,\n2,,old\n3,dog,\n")
    with pytest.raises(DataInputError, match=r"E0808.*class at line 3 .*column `label` is empty"):
        open_data(path, wants(x="f32[B]", label="i32[B]"))
    assert len(open_data(path, wants(x="f32[B]"))) == 3


@pytest.mark.parametrize("column", range(4))
def test_a_value_that_is_not_finite_is_named_by_its_column(tmp_path: Path, column: int) -> None:
    rows = [["1", "2", "3", "4"] for _ in range(3)]
    rows[1][column] = "nan"
    text = "x0,x1,x2,x3\n" + "".join(",".join(row) + "\n" for row in rows)
    with pytest.raises(DataInputError, match=rf"E0805.*line 3 .*column `x{column}` holds nan"):
        open_data(table(tmp_path, text), X)


@pytest.mark.parametrize(
    "labels", [np.eye(3)[[0, 2, 1]], np.eye(3, dtype="i4")[[0, 2, 1]]], ids=["floats", "integers"]
)
def test_one_hot_labels_are_explained(labels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    with pytest.raises(DataInputError) as caught:
        open_data({"label": labels}, wants(label="i32[B]"))
    help = caught.value.diagnostics[0].help or ""
    assert "labels.argmax(axis=-1)" in help and "f32[B, 3]" in help
    assert open_data({"label": labels.argmax(axis=-1)}, wants(label="i32[B]")).rows([1])["label"] == [2]
    assert open_data({"label": labels}, wants(label="f32[B, 3]")).rows([1])["label"].tolist() == [[0, 0, 1]]


def test_a_changed_byte_of_a_stored_array_is_found(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.arange(4000, dtype=np.float32).reshape(1000, 4))
    assert len(open_data(str(path), X)) == 1000
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)
    with pytest.raises(DataInputError, match=r"E0806.*array `x`: its checksum is"):
        open_data(str(path), X)


def test_a_vector_of_too_many_columns_says_how_to_choose(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b,c,d,e\n1,2,3,4,5\n")
    with pytest.raises(DataInputError, match="E0830") as caught:
        open_data(path, X, DataOptions())
    [diagnostic] = caught.value.diagnostics
    assert "takes 4 columns of numbers, but the data has 5: `a`, `b`, `c`" in diagnostic.message
    assert "`x0` to `x3`" in (diagnostic.help or "") and "x: f32[B, 5]" in (diagnostic.help or "")
    named = table(tmp_path, "x0,x1,x2,x3,e\n1,2,3,4,5\n")
    assert open_data(named, X).rows([0])["x"].tolist() == [[1, 2, 3, 4]]
