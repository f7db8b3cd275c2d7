"""`.csv`, `.tsv` and `.parquet` tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError

IRIS = "sepal,petal,species\n5.1,1.4,setosa\n7.0,4.7,versicolor\n\n6.3,6.0,setosa\n"
FLOWERS = wants(x="f32[B, 2]", label="i32[B]")


def csv(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def fails(code: str, path: Path, want: object = FLOWERS, **options: object) -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(path, want, DataOptions(**options))  # type: ignore[arg-type]
    assert failed.value.code == code, failed.value
    return str(failed.value)


def test_numbers_side_by_side_and_classes_of_words(tmp_path: Path) -> None:
    dataset = open_data(csv(tmp_path, IRIS), FLOWERS)
    rows = dataset.rows([2, 0, 1])
    np.testing.assert_allclose(rows["x"], [[6.3, 6.0], [5.1, 1.4], [7.0, 4.7]], rtol=1e-6)
    np.testing.assert_array_equal(rows["label"], [0, 0, 1])
    assert dataset.classes == {"label": ("setosa", "versicolor")}
    assert dataset.notes[:2] == ("`x` is read from `sepal` to `petal`", "`label` is read from `species`")
    assert dataset.place("x", 2).startswith("line 5 of ")


def test_columns_numbered_by_name(tmp_path: Path) -> None:
    path = csv(tmp_path, "x1\tx0\tlabel\n2\t1\t0\n", "t.tsv")
    np.testing.assert_array_equal(open_data(path, FLOWERS).rows([0])["x"], [[1, 2]])


def test_mnist_without_a_header(tmp_path: Path) -> None:
    path = csv(tmp_path, "7,0.5,0.25\n1,0.5,1\n")
    np.testing.assert_array_equal(open_data(path, FLOWERS).rows([0])["label"], [7])


def test_a_header_less_table_with_two_possible_labels_is_refused(tmp_path: Path) -> None:
    fails("E0830", csv(tmp_path, "7,1,2\n1,2,3\n"))


def test_regression(tmp_path: Path) -> None:
    path = csv(tmp_path, "size,rooms,y\n100,3,2.5\n50,2,1.5\n")
    rows = open_data(path, wants(x="f32[B, features]", y="f32[B, 1]")).rows([1])
    np.testing.assert_array_equal(rows["x"], [[50, 2]])
    np.testing.assert_array_equal(rows["y"], [[1.5]])


def test_ragged_rows_are_told_with_their_line(tmp_path: Path) -> None:
    assert "line 3 of" in (m := fails("E0808", csv(tmp_path, "a,b,label\n1,2,0\n1,2\n")))
    assert "has 2 cells, but the first has 3" in m


def test_cells_that_are_no_numbers(tmp_path: Path) -> None:
    message = fails("E0808", csv(tmp_path, "a,b,label\n1,2,0\n1,n/a,0\n"))
    assert "line 3, column 2 (`b`)" in message and "`n/a`, which is not a number" in message
    assert "is empty" in fails("E0808", csv(tmp_path, "a,b,label\n1,2,0\n1,,0\n"))
    assert "`1_0`" in fails("E0808", csv(tmp_path, "a,b,label\n1,2,0\n1,1_0,0\n"))


def test_what_is_no_table(tmp_path: Path) -> None:
    assert "two columns `a`" in fails("E0808", csv(tmp_path, "a,a,label\n1,2,0\n"))
    fails("E0813", csv(tmp_path, "a,b,label\n"))
    fails("E0813", csv(tmp_path, ""))
    assert "line 2" in fails("E0808", csv(tmp_path, 'a,b,label\n"1,2,0\n'))
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,\xff\n")
    assert "not UTF-8" in fails("E0808", tmp_path / "t.csv")


def test_nan_and_labels_are_told_with_their_line(tmp_path: Path) -> None:
    assert "line 3 of" in (m := fails("E0805", csv(tmp_path, "a,b,label\n1,2,0\n1,nan,0\n"))) and "nan" in m
    message = fails("E0831", csv(tmp_path, "a,b,label\n1,2,0\n1,2,3\n"), classes=3)
    assert "line 3 of" in message and "label 3" in message


def test_words_for_validation_keep_their_numbers(tmp_path: Path) -> None:
    names = ("setosa", "versicolor", "virginica")
    path = csv(tmp_path, "sepal,petal,species\n1,2,virginica\n")
    assert open_data(path, FLOWERS, DataOptions(class_names=names)).rows([0])["label"] == 2
    message = fails("E0831", csv(tmp_path, "sepal,petal,species\n1,2,rose\n"), class_names=names)
    assert "line 2 of" in message and "`rose`" in message


def test_large_integers_stay_whole(tmp_path: Path) -> None:
    dataset = open_data(csv(tmp_path, f"id\n{2**53 - 1}\n"), wants(id="i64[B]"))
    assert dataset.rows([0])["id"] == 2**53 - 1


# -- parquet ---------------------------------------------------------------------------------------


def parquet(folder: Path, columns: dict[str, object]) -> Path:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install netdsl[parquet]")
    import pyarrow.parquet

    path = folder / "t.parquet"
    pyarrow.parquet.write_table(arrow.table(columns), path, row_group_size=2)
    return path


def test_parquet(tmp_path: Path) -> None:
    pictures = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2)
    words = ["cat", "dog", "cat"]
    path = parquet(
        tmp_path, {"image": pictures.tolist(), "label": words, "x": [0.5, 1.5, 2.5], "k": [1, 2, 3]}
    )
    want = wants(image="f32[B, 1, 2, 2]", label="i32[B]", x="f32[B]", k="i32[B]")
    dataset = open_data(path, want)
    rows = dataset.rows([2, 1])
    np.testing.assert_array_equal(rows["image"][:, 0], pictures[[2, 1]])
    np.testing.assert_array_equal(rows["label"], [0, 1])
    np.testing.assert_array_equal(rows["x"], [2.5, 1.5])
    assert dataset.classes["label"] == ("cat", "dog")


def test_parquet_sequences(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"ids": [[1, 2, 3], [4], [5, 6]], "label": [0, 1, 0]})
    rows = open_data(path, wants(ids="i32[B, T]", keep="bool[B, T]", label="i32[B]")).rows([1, 2])
    np.testing.assert_array_equal(rows["ids"], [[4, 0], [5, 6]])
    np.testing.assert_array_equal(rows["keep"], [[True, False], [True, True]])


def test_parquet_that_is_wrong(tmp_path: Path) -> None:
    want = wants(x="f32[B]")
    assert "row 1 of" in fails("E0808", parquet(tmp_path, {"x": [0.5, None, 1.0]}), want)
    fails("E0808", parquet(tmp_path, {"x": [{"a": 1}]}), want)
    fails("E0808", parquet(tmp_path, {"x": [[[1], [2, 3]], [[4]]]}), want)
    fails("E0813", parquet(tmp_path, {"x": np.zeros(0)}), want)
    path = parquet(tmp_path, {"x": [0.5]})
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as parquet" in fails("E0808", path, want)
