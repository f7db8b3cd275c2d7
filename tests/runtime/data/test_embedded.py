"""Data from Python: rows that can be indexed, iterables, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import DataOptions, Dataset, StreamDataset, batches, open_data
from netruntime.errors import DataInputError

WANTED = wants(image="f32[B, 1, 2, 2]", label="i32[B]")
PLAIN = DataOptions(scale=1)


class Pictures:
    """As a torch-style dataset: row n is a picture full of n, and its label."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.full((2, 2), index, np.uint8), index % 3


class Endless:
    """An iterable that starts again whenever it is asked."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({"image": np.full((2, 2), n, np.uint8), "label": n % 3} for n in range(10))


def fails(code: str, spec: Any, want: Any = WANTED, **options: Any) -> str:
    with pytest.raises(DataInputError) as failed:
        list(batches(open_data(spec, want, DataOptions(**options)), 4, shuffle=False))
    assert failed.value.code == code, failed.value
    return str(failed.value)


@pytest.mark.parametrize("spec", [Pictures(), [Pictures()[n] for n in range(10)], Endless(), iter(Endless())])
def test_rows_and_streams_give_the_same_batches(spec: Any) -> None:
    dataset = open_data(spec, WANTED, PLAIN)
    made = list(batches(dataset, 4, shuffle=False))
    assert [len(batch["label"]) for batch in made] == [4, 4, 2]
    for n, batch in enumerate(made):
        numbers = np.arange(4 * n, min(4 * n + 4, 10))
        np.testing.assert_array_equal(batch["image"], np.ones((1, 1, 2, 2)) * numbers[:, None, None, None])
        np.testing.assert_array_equal(batch["label"], numbers % 3)
        assert batch["image"].dtype == np.float32


def test_which_is_which() -> None:
    assert isinstance(open_data(Pictures(), WANTED), Dataset)
    stream = open_data(Endless(), WANTED)
    assert isinstance(stream, StreamDataset) and not isinstance(stream, Dataset)
    assert stream.columns["image"].shape == (1, 2, 2) and stream.labels == ("label",)


def test_a_stream_is_resumed_at_its_place() -> None:
    stream = open_data(Endless(), WANTED, PLAIN)
    whole = list(batches(stream, 3))
    rest = list(batches(stream, 3, start_batch=2))
    assert [b["label"].tolist() for b in rest] == [b["label"].tolist() for b in whole[2:]]
    assert len(list(batches(stream, 3, drop_last=True))) == 3


def test_a_generator_is_gone_through_once() -> None:
    stream = open_data(iter(Endless()), WANTED)
    assert len(list(batches(stream, 4))) == 3
    with pytest.raises(DataInputError, match="E0841"):
        list(batches(stream, 4, epoch=1))


def test_a_stream_with_an_end_can_be_gathered() -> None:
    dataset = open_data(iter(Endless()), WANTED, PLAIN).gather()  # type: ignore[union-attr]
    assert len(dataset) == 10
    seen = [np.concatenate([b["label"] for b in batches(dataset, 4, epoch=e)]).tolist() for e in (0, 1)]
    assert seen[0] != seen[1] and sorted(seen[0]) == sorted(seen[1])


def test_sequences_of_a_stream_are_padded_batch_by_batch() -> None:
    rows = ({"ids": list(range(1, n + 1))} for n in (1, 3, 2, 5))
    stream = open_data(rows, wants(ids="i32[B, T]", length="i32[B]"))
    first, second = batches(stream, 2)
    np.testing.assert_array_equal(first["ids"], [[1, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(second["length"], [2, 5])


def test_lists_of_different_lengths() -> None:
    dataset = open_data({"ids": [[1], [2, 3]], "label": [0, 1]}, wants(ids="i32[B, T]", label="i32[B]"))
    np.testing.assert_array_equal(dataset.rows([0, 1])["ids"], [[1, 0], [2, 3]])


def test_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    from torch.utils.data import TensorDataset

    dataset = open_data(TensorDataset(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 2])), WANTED)
    np.testing.assert_array_equal(dataset.rows([2, 0])["label"], [2, 0])
    rows = open_data({"image": torch.ones(3, 1, 2, 2), "label": torch.zeros(3, dtype=torch.int64)}, WANTED)
    assert rows.rows([0])["image"].shape == (1, 1, 2, 2)


def test_rows_that_are_not_alike() -> None:
    rows: list[Any] = [{"image": np.zeros((2, 2)), "label": 0} for _ in range(10)]
    rows[8] = {"image": np.zeros((2, 3)), "label": 0}
    message = fails("E0834", rows)
    assert "row 8 of the data set has `image` of shape [2, 3], but the first row [2, 2]" in message
    assert "row 8 of the iterable" in fails("E0834", (row for row in rows))
    rows[8] = {"image": np.zeros((2, 2))}
    assert "row 8 of the data set has no `label`; it has `image`" in fails("E0834", rows)
    rows[8] = {"image": "a cat", "label": 0}
    assert "`image` of row 8" in fails("E0834", rows)
    rows[8] = {"image": np.full((2, 2), np.inf), "label": 0}
    assert "row 8 of the iterable" in fails("E0805", (row for row in rows))
    rows[8] = {"image": np.zeros((2, 2)), "label": 7}
    assert "row 8 of the data set has the label 7" in fails("E0831", rows, classes=3)


def test_nothing() -> None:
    fails("E0813", [])
    fails("E0813", iter([]))
    fails("E0834", {"image": 3, "label": 0})
    fails("E0834", {"image": [[1, 2], 3], "label": [0, 1]})
    fails("E0834", {"image": ["a", "b"], "label": [0, 1]})
