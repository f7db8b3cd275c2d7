"""Targets outside the range of their loss, and iterables that are used as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import netruntime as nr
import netruntime.data.embedded
from netruntime.train.events import EpochEvent, StepEvent

SOURCE = """net 1.0
model B(x: f32[B, 2]) -> logit: f32[B] { return x -> fc: Linear(1) -> squeeze(1) }
train {
  input wanted: DTYPE[B]
  loss = LOSS(logit, wanted)
  batch_size = 8
}
"""


def source(loss: str, dtype: str = "f32") -> str:
    return SOURCE.replace("LOSS", loss).replace("DTYPE", dtype)


@pytest.mark.parametrize("dtype", ["f32", "i32"])
@pytest.mark.parametrize(
    ("loss", "wrong", "right"),
    [("binary_cross_entropy", -1, 1), ("binary_cross_entropy", 255, 1), ("hinge", 0, -1)],
)
def test_a_target_out_of_the_range_of_its_loss(loss: str, wrong: int, right: int, dtype: str) -> None:
    x, wanted = np.ones((5, 2), np.float32), np.full(5, right)
    assert np.isfinite(nr.evaluate(source(loss, dtype), {"x": x, "wanted": wanted}).figures[""]["loss"])
    wanted[3] = wrong
    with pytest.raises(nr.DataInputError, match=rf"row 3 of .* has the target {wrong}, .*`{loss}`"):
        nr.evaluate(source(loss, dtype), {"x": x, "wanted": wanted})


class Watch:
    """Counts how many rows were read at each step."""

    def __init__(self) -> None:
        self.read = 0
        self.steps: list[int] = []

    def rows(self, end: int | None = None) -> Iterator[dict[str, Any]]:
        while end is None or self.read < end:
            self.read += 1
            yield {"x": np.full(2, self.read, np.float32) / 1000, "wanted": np.float32(self.read % 2)}

    def on_step(self, event: StepEvent) -> None:
        self.steps.append(self.read)

    def on_epoch(self, event: EpochEvent) -> None: ...


def test_an_endless_iterable_is_read_as_it_is_used() -> None:
    watch = Watch()
    notes: list[str] = []
    trained = nr.fit(source("mse"), watch.rows(), steps=5, watchers=[watch], note=notes.append)
    assert trained.step == 5
    assert all(8 * n <= read <= 8 * (n + 4) for n, read in enumerate(watch.steps, 1)), watch.steps
    assert any("as they come" in note for note in notes)


def test_the_rows_of_a_stream_are_those_of_the_list_in_order() -> None:
    rows = list(Watch().rows(40))
    text = source("mse").replace("batch_size = 8", "batch_size = 40")
    streamed = nr.fit(text, iter(rows), steps=3).weights
    listed = nr.fit(text, rows, steps=3).weights
    for name, array in listed.items():
        np.testing.assert_allclose(streamed[name], array, rtol=1e-4, atol=1e-6)


def test_a_generator_that_ends_is_read_again_from_memory() -> None:
    assert nr.fit(source("mse"), Watch().rows(20), steps=7, epochs=9).step == 7


def test_an_endless_iterable_without_steps_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netruntime.data.embedded, "MAX_KEPT_BYTES", 2**18)
    with pytest.raises(nr.DataInputError, match=r"E0845.*no end within its first"):
        nr.fit(source("mse"), Watch().rows())
    with pytest.raises(nr.DataInputError, match="E0841"):
        nr.fit(source("mse"), Watch().rows(2000), steps=2000, epochs=9)


def test_predictions_of_an_iterable_with_an_end() -> None:
    found = nr.predict(source("mse"), ({"x": row["x"]} for row in Watch().rows(20)))
    assert len(found) == 20
