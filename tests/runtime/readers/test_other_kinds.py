"""Files that are not read: what to save them as, which then works."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import open_data
from netruntime.errors import DataInputError

WANTED = {"x": tensor("f32", symbol("B"), 2), "label": tensor("i32", symbol("B"))}
ROWS = [{"x": [1.0, 2.0], "label": 0}, {"x": [3.0, 4.0], "label": 1}]


def refusal(path: Path) -> DataInputError:
    with pytest.raises(DataInputError) as caught:
        open_data(str(path), WANTED)
    return caught.value


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("a.jsonl", "save it as .csv, or as .parquet"),
        ("a.xlsx", "save it as .csv, or as .parquet"),
        ("a.bmp", "save it as .png"),
        ("a.WEBP", "save it as .png"),
        ("a.xyz", "give .npz"),
    ],
)
def test_other_kinds(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / name).write_text("{}")
    error = refusal(tmp_path / name)
    assert error.code == "E0803"
    assert error.diagnostics[0].help is not None and error.diagnostics[0].help.startswith(way)


def test_rows_of_objects_in_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS))
    error = refusal(path)
    way = 'write one object with a list for each column, {"x": [..], "label": [..]}, or a table as .csv'
    assert (error.code, error.diagnostics[0].help) == ("E0809", way)
    path.write_text(json.dumps({"x": [row["x"] for row in ROWS], "label": [row["label"] for row in ROWS]}))
    rows = open_data(str(path), WANTED).rows([0, 1])
    assert np.array_equal(rows["x"], [[1, 2], [3, 4]]) and rows["label"].tolist() == [0, 1]
