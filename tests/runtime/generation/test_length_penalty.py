"""Length penalties that no score can be divided by are refused, not left to overflow."""

from __future__ import annotations

import pytest

import netruntime as nr

SOURCE = """net 1.0
model Writer(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(5, 5) }
"""


@pytest.mark.parametrize("penalty", [1e308, -1e308, 21.0, float("nan"), float("inf")])
def test_an_impossible_length_penalty_is_refused(penalty: float) -> None:
    with pytest.raises(nr.GenerationError, match=r"E1105.*`length_penalty` must be"):
        nr.generate(nr.load(SOURCE), [1, 2], max_new=3, beams=2, length_penalty=penalty)


@pytest.mark.parametrize("penalty", [-20.0, 0.0, 20.0])
def test_a_large_length_penalty_is_taken(penalty: float) -> None:
    found = nr.generate(nr.load(SOURCE), [1, 2], max_new=3, beams=2, length_penalty=penalty)
    assert len(found.ids[0]) == 3
