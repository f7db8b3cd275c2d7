"""The thread that makes batches ahead: order, errors, and that it ends."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import closing

import pytest

from netruntime.data.prefetch import THREAD, prefetch


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith(THREAD)] == []


@pytest.mark.parametrize("depth", [0, 1, 2, 50])
def test_order(depth: int) -> None:
    assert list(prefetch(iter(range(30)), depth)) == list(range(30))


def test_no_more_than_depth_is_made_ahead() -> None:
    made = []

    def numbers() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    with closing(prefetch(numbers(), 3)) as ahead:  # type: ignore[type-var]
        assert next(ahead) == 0
        threading.Event().wait(0.2)
        assert len(made) <= 5, "one taken, three waiting, one in hand"


def test_an_error_comes_at_its_place_with_its_traceback() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("row 3 is bad")

    seen = []
    with pytest.raises(ValueError, match="row 3 is bad") as failed:
        for n in prefetch(numbers()):
            seen.append(n)
    assert seen == [1, 2]
    assert "in numbers" in "".join(traceback.format_tb(failed.value.__traceback__))


def test_closing_early_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    for _ in prefetch(numbers()):
        break
    assert closed.wait(5)


def test_an_interrupt_ends_the_thread() -> None:
    def interrupted() -> None:
        for _ in prefetch(iter(range(1000))):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_an_iterator_that_is_never_used_starts_no_thread() -> None:
    prefetch(iter(range(3)))
