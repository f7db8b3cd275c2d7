"""The data that travels with the examples, and that the models of the examples take it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, batches, open_data, split

DATA = Path(__file__).parents[3] / "examples" / "data"
DIGITS = DATA / "digits.npz"


@pytest.mark.parametrize("image", ["f32[B, 1, 28, 28]", "f32[B, 28, 28]", "f32[B, 784]", "f32[B, 1, 32, 32]"])
def test_digits(image: str) -> None:
    dataset = open_data(DIGITS, wants(image=image, label="i32[B]"), DataOptions(resize="stretch", classes=10))
    train, valid = split(dataset, 0.2, seed=1)
    assert (len(train), len(valid)) == (1438, 359)
    batch = next(batches(train, 32))
    assert batch["image"].min() >= 0 and 0.9 < batch["image"].max() <= 1


def test_digits_are_those_of_the_source() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    theirs = datasets.load_digits()
    with np.load(DIGITS) as ours:
        np.testing.assert_array_equal(np.round(ours["image"] * (16 / 255)), theirs.images)
        np.testing.assert_array_equal(ours["label"], theirs.target)


def test_text() -> None:
    dataset = open_data(DATA / "text.txt", wants(ids="i32[B, 128]", label="i32[B, 128]"))
    assert dataset.vocabulary is not None and len(dataset.vocabulary) == 69
    assert len(dataset) == (144347 - 1) // 128
    text = (DATA / "text.txt").read_text()
    ids = dataset.rows([3])["label"][0]
    assert "".join(dataset.vocabulary[n] for n in ids) == text[3 * 128 + 1 : 4 * 128 + 1]
