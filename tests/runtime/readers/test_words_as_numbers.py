"""Words become classes for labels only: no quantity is silently made of the alphabetical order of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.types import DType, tensor
from netruntime.data import DataOptions, Dataset, open_data
from netruntime.errors import DataInputError

VECTOR = {"x": tensor(DType.F32, symbol("B"), 2), "label": tensor(DType.I32, symbol("B"))}
NUMBER = {"x": tensor(DType.F32, symbol("B")), "label": tensor(DType.I32, symbol("B"))}


def _open(tmp_path: Path, text: str, wanted: object = VECTOR) -> Dataset:
    path = tmp_path / "t.csv"
    path.write_text(text)
    found = open_data(path, wanted, DataOptions())  # type: ignore[arg-type]
    assert isinstance(found, Dataset)
    return found


@pytest.mark.parametrize("first", ["", "NA", "1;5", "0x10"])
def test_a_hole_in_the_first_row_is_no_class(tmp_path: Path, first: str) -> None:
    with pytest.raises(DataInputError, match=r"line 2, column 2 \(`x1`\)") as failed:
        _open(tmp_path, f"x0,x1,label\n1,{first},0\n2,3,1\n4,5,1\n")
    assert failed.value.code == "E0808"


def test_words_among_the_columns_of_a_vector_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInputError, match=r"E0804.*column `x1` holds words, such as `blue`"):
        _open(tmp_path, "x0,x1,label\n1,red,0\n2,blue,1\n")


def test_words_left_over_do_not_join_a_vector(tmp_path: Path) -> None:
    with pytest.raises(DataInputError):
        _open(tmp_path, "height,colour,label\n1,red,0\n2,blue,1\n")


def test_words_for_a_single_quantity_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInputError, match=r"E0804.*holds words, such as `blue`"):
        _open(tmp_path, "x,label\nred,0\nblue,1\n", NUMBER)


def test_words_are_labels_of_floats_and_of_integers(tmp_path: Path) -> None:
    floats = {"x": tensor(DType.F32, symbol("B")), "label": tensor(DType.F32, symbol("B"))}
    for wanted in (NUMBER, floats):
        found = _open(tmp_path, "x,label\n1,no\n2,yes\n3,no\n", wanted)
        assert np.array_equal(found.rows(range(3))["label"], [0, 1, 0])


def test_a_column_of_words_that_holds_a_number_stays_classes(tmp_path: Path) -> None:
    found = _open(tmp_path, "x,label\n1,cat\n2,7\n3,dog\n", NUMBER)
    assert found.classes["label"] == ("7", "cat", "dog")


def test_padding_to_a_fixed_size_is_told(tmp_path: Path) -> None:
    rows = {"x": [np.ones(2, np.float32), np.ones(1, np.float32)], "label": np.zeros(2, np.int32)}
    found = open_data(rows, VECTOR, DataOptions())
    assert isinstance(found, Dataset)
    assert "`x`: rows shorter than 2 are padded" in found.notes
