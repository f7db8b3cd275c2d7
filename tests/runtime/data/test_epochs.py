"""The order of rows, batches from any place of an epoch, and rows put together by length."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, Sampler, batch_count, batches, open_data, split
from netruntime.data.checks import compare_classes
from netruntime.errors import DataInputError

NUMBERS = open_data({"x": np.arange(103.0)}, wants(x="f32[B]"))
LENGTHS = np.random.default_rng(0).integers(1, 40, 1000)
SENTENCES = open_data({"ids": [[7] * n for n in LENGTHS]}, wants(ids="i32[B, T]", keep="bool[B, T]"))


def values(**options: object) -> list[list[float]]:
    return [batch["x"].tolist() for batch in batches(NUMBERS, 10, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_row_once(epoch: int) -> None:
    assert sorted(x for batch in values(epoch=epoch, seed=3) for x in batch) == list(range(103))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert values(epoch=2, seed=5) == values(epoch=2, seed=5)
    orders = [values(epoch=epoch, seed=seed) for epoch in (0, 1) for seed in (0, 1, -1)]
    assert all(a != b for a, b in combinations(orders, 2))
    assert values(shuffle=False) == [list(map(float, range(n, min(n + 10, 103)))) for n in range(0, 103, 10)]


def test_an_epoch_goes_on_where_it_stopped() -> None:
    whole = values(epoch=4, seed=1)
    for start in (0, 1, 9, 11):
        assert values(epoch=4, seed=1, start_batch=start) == whole[start:]
        assert values(epoch=4, seed=1, start_batch=start, prefetch=2) == whole[start:]


def test_the_last_batch() -> None:
    assert [len(v) for v in values()] == [10] * 10 + [3] and batch_count(NUMBERS, 10) == 11
    assert [len(v) for v in values(drop_last=True)] == [10] * 10 and batch_count(
        NUMBERS, 10, drop_last=True
    ) == 10


def test_impossible_batches() -> None:
    for size, start in ((0, 0), (1, -1)):
        with pytest.raises(DataInputError, match="E0818"):
            next(iter(batches(NUMBERS, size, start_batch=start)))


# -- by length -------------------------------------------------------------------------------------


def test_rows_of_similar_length_share_a_batch() -> None:
    made = list(batches(SENTENCES, 16, epoch=1, seed=2))
    assert sorted(np.concatenate([b["keep"].sum(1) for b in made])) == sorted(LENGTHS)
    real, padded = LENGTHS.sum(), sum(b["ids"].size for b in made)
    assert padded < 1.1 * real
    assert sum(b["ids"].size for b in batches(SENTENCES, 16, shuffle=False)) > 1.5 * real
    assert [b["ids"].shape for b in batches(SENTENCES, 16, epoch=1, seed=2, start_batch=20)] == [
        b["ids"].shape for b in made[20:]
    ]
    widths = [b["ids"].shape[1] for b in made]
    assert widths != sorted(widths), "batches are in no order of length"


def test_who_shares_a_batch_changes_with_the_epoch() -> None:
    data = {"ids": [[7] * n for n in LENGTHS], "n": np.arange(1000)}
    dataset = open_data(data, wants(ids="i32[B, T]", n="i32[B]"))
    first, second = (
        {frozenset(b["n"].tolist()) for b in batches(dataset, 8, epoch=epoch)} for epoch in (0, 1)
    )
    assert len(first & second) < 10


def test_padding_is_not_kept() -> None:
    batch = next(batches(SENTENCES, 50, seed=1))
    np.testing.assert_array_equal(batch["ids"], np.where(batch["keep"], 7, 0))


@pytest.mark.parametrize(
    ("first", "second"), [([[7, 7, 7], [7]], [[8], [8, 8]]), ([[7], [7, 7]], [[8, 8, 8], [8]])]
)
def test_inputs_of_one_axis_are_padded_alike(first: list[list[int]], second: list[list[int]]) -> None:
    dataset = open_data({"a": first, "b": second}, wants(a="i32[B, T]", b="i32[B, T]", b_length="i32[B]"))
    rows = dataset.rows([0])
    assert rows["a"].shape == rows["b"].shape == (1, 3)
    assert rows["b_length"] == [len(second[0])]


def test_sampler_without_rows() -> None:
    assert Sampler(0).batches(0, 4) == []


# -- parts -----------------------------------------------------------------------------------------


def labelled(*counts: int) -> object:
    labels = np.repeat(np.arange(len(counts)), counts)
    return open_data({"label": labels}, wants(label="i32[B]"))


def test_every_class_is_split() -> None:
    dataset = labelled(100, 50, 2, 1)
    train, valid = split(dataset, 0.2, seed=4)  # type: ignore[arg-type]
    counts = [
        np.bincount(part.rows(range(len(part)))["label"], minlength=4).tolist() for part in (train, valid)
    ]
    assert counts == [[80, 40, 1, 1], [20, 10, 1, 0]]
    assert not set(train.indices) & set(valid.indices)
    again, other = split(dataset, 0.2, seed=4), split(dataset, 0.2, seed=5)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again[1].indices, valid.indices)
    assert set(other[1].indices) != set(valid.indices)


def test_a_part_of_numbers() -> None:
    train, valid = split(NUMBERS, 0.1, seed=0)
    assert (len(train), len(valid)) == (93, 10)
    assert valid.place("x", 0) == f"row {valid.indices[0]} of the data's `x`"


@pytest.mark.parametrize("fraction", [0.0, 1.0, 20, -0.1, 0.001])
def test_impossible_parts(fraction: float) -> None:
    with pytest.raises(DataInputError, match="E0837"):
        split(NUMBERS, fraction)


def test_classes_that_one_part_lacks() -> None:
    train, valid = labelled(3, 3, 3), labelled(3, 0, 0, 2)
    told = compare_classes(train, valid)  # type: ignore[arg-type]
    assert told == (
        "`label`: no row of the validation data is of classes 1, 2",
        "`label`: no row of the training data is of class 3",
    )
    with pytest.raises(DataInputError, match="E0832"):
        compare_classes(train, valid, strict=True)  # type: ignore[arg-type]
    (missing,) = compare_classes(train, labelled(3, 3))  # type: ignore[arg-type]
    assert missing == "`label`: no row of the validation data is of class 2"
    (new,) = compare_classes(train, labelled(1, 1, 1, 1))  # type: ignore[arg-type]
    assert new == "`label`: no row of the training data is of class 3"
    assert compare_classes(train, labelled(1, 1, 1), strict=True) == ()  # type: ignore[arg-type]


def test_only_the_inputs_that_are_asked_for() -> None:
    dataset = open_data({"x": np.zeros(3), "label": [0, 1, 2]}, wants(x="f32[B]", label="i32[B]"))
    assert dataset.rows([1], ["label"]).keys() == {"label"}
    assert isinstance(DataOptions(), DataOptions)
