"""CIFAR-10 and CIFAR-100 in their binary form, written here record by record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, open_data
from netruntime.errors import DataInputError

WANTED = wants(image="f32[B, 3, 32, 32]", label="i32[B]")
RANDOM = np.random.default_rng(0)


def record(*labels: int) -> tuple[bytes, np.ndarray]:
    """A record, and its picture: all red bytes first, then green, then blue, each row by row."""
    picture = RANDOM.integers(0, 256, (3, 32, 32), np.uint8)
    planes = b"".join(bytes(picture[c, y].tolist()) for c in range(3) for y in range(32))
    return bytes(labels) + planes, picture


def fails(path: Path) -> str:
    with pytest.raises(DataInputError) as failed:
        open_data(path, WANTED)
    assert failed.value.code == "E0806", failed.value
    return str(failed.value)


def test_cifar_10(tmp_path: Path) -> None:
    first, second, third = record(3), record(9), record(0)
    (tmp_path / "data_batch_1.bin").write_bytes(first[0] + second[0])
    (tmp_path / "data_batch_2.bin").write_bytes(third[0])
    (tmp_path / "test_batch.bin").write_bytes(first[0])
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"class{n}" for n in range(10)) + "\n\n")
    dataset = open_data(tmp_path, WANTED, DataOptions(scale=1, classes=10))
    assert len(dataset) == 3
    rows = dataset.rows([2, 1])
    np.testing.assert_array_equal(rows["image"], [third[1], second[1]])
    np.testing.assert_array_equal(rows["label"], [0, 9])
    assert dataset.classes["label"][9] == "class9"
    assert dataset.place("label", 2) == f"record 0 of `{tmp_path}/data_batch_2.bin`"
    assert len(open_data(tmp_path / "test_batch.bin", WANTED)) == 1


def test_cifar_100(tmp_path: Path) -> None:
    first = record(19, 99)
    (tmp_path / "train.bin").write_bytes(first[0])
    dataset = open_data(tmp_path, wants(x="f32[B, 3, 32, 32]", y="i32[B]"), DataOptions(scale=1))
    assert dataset.rows([0])["y"] == 99
    np.testing.assert_array_equal(dataset.rows([0])["x"][0], first[1])
    other = open_data(tmp_path, wants(x="f32[B, 3, 32, 32]", kind="i32[B]"))
    assert other.rows([0])["kind"] == 99, "the coarse label is only given by its name"
    coarse = open_data(tmp_path, wants(image="f32[B, 3, 32, 32]", coarse="i32[B]"))
    assert coarse.rows([0])["coarse"] == 19


def test_another_name_is_told_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "mine.bin").write_bytes(record(19, 99)[0] * 2)
    assert open_data(tmp_path / "mine.bin", WANTED).rows([1])["label"] == 99


def test_truncated_and_damaged(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(record(1)[0] + record(2)[0][:-1])
    assert "has 6145 bytes, but CIFAR-10 has 3073 for each record: 3073 for 1, 6146 for 2" in fails(path)
    path.write_bytes(record(1)[0] + record(77)[0])
    assert "record 1 of" in (message := fails(path)) and "label 77, but CIFAR-10 has 10 classes" in message
    path.write_bytes(b"")
    fails(path)
