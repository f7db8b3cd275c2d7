"""Beam search against looking at every sequence there is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from netruntime.generation.beam import BeamSearch, beam_search
from netruntime.generation.sampling import log_softmax

Array = np.ndarray[Any, Any]
SIZE = 4
STOP = 0


class Table:
    """A model whose logits are a fixed random function of the tokens so far, all of them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rows: list[tuple[int, ...]] = []

    def next(self, tokens: Array) -> Array:
        if not self.rows:
            self.rows = [()] * len(tokens)
        self.rows = [(*row, *map(int, new)) for row, new in zip(self.rows, tokens, strict=True)]
        return np.array([self.logits(row) for row in self.rows])

    def take(self, rows: Sequence[int]) -> None:
        self.rows = [self.rows[row] for row in rows]

    def logits(self, row: tuple[int, ...]) -> Array:
        return np.random.default_rng((self.seed, *row)).normal(scale=2, size=SIZE)


def every_sequence(
    model: Table, prompt: tuple[int, ...], search: BeamSearch
) -> list[tuple[float, tuple[int, ...]]]:
    """All sequences that end at the stop token or at the full length, with their scores, best first."""
    found = []
    for length in range(1, search.max_new + 1):
        for tokens in product(range(SIZE), repeat=length):
            stops = [token in search.stop for token in tokens]
            if any(stops[:-1]) or not (stops[-1] or length == search.max_new):
                continue
            if stops[-1] and length <= search.min_new:
                continue
            total = 0.0
            for n, token in enumerate(tokens):
                logits = model.logits((*prompt, *tokens[:n])).copy()
                if n < search.min_new:
                    logits[list(search.stop)] = -np.inf
                total += log_softmax(logits[None])[0, token]
            penalty = ((5 + length) / (5 + 1)) ** search.length_penalty
            found.append((total / penalty, tokens))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("length_penalty", [-0.5, 0.0, 0.6, 2.0])
@pytest.mark.parametrize("min_new", [0, 2])
def test_wide_beams_find_the_best_of_all(length_penalty: float, min_new: int) -> None:
    prompts = np.array([[1, 2], [3, 3], [2, 1]])
    search = BeamSearch(SIZE**4, 4, frozenset({STOP}), length_penalty, min_new=min_new)
    results = beam_search(Table(1), prompts, search)
    for prompt, hypotheses in zip(prompts, results, strict=True):
        expected = every_sequence(Table(1), tuple(map(int, prompt)), search)
        assert [h.tokens for h in hypotheses] == [tokens for _, tokens in expected]
        np.testing.assert_allclose([h.score for h in hypotheses], [score for score, _ in expected])
        assert [h.stopped for h in hypotheses] == [tokens[-1] == STOP for _, tokens in expected]


def test_narrow_beams_are_greedy_or_better() -> None:
    """One beam is greedy search; for more beams, what is found is a sequence with its own score."""
    prompt = np.array([[1]])
    scores = []
    for width in (1, 2, 3, 8):
        search = BeamSearch(width, 6, frozenset({STOP}))
        best = beam_search(Table(4), prompt, search)[0][0]
        total = 0.0
        for n, token in enumerate(best.tokens):
            total += log_softmax(Table(4).logits((1, *best.tokens[:n]))[None])[0, token]
        assert best.log_prob == pytest.approx(total)
        scores.append(best.score)
    assert scores[-1] == max(scores)
    greedy: tuple[int, ...] = ()
    while len(greedy) < 6 and STOP not in greedy:
        greedy = (*greedy, int(np.argmax(Table(4).logits((1, *greedy)))))
    one = beam_search(Table(4), prompt, BeamSearch(1, 6))[0][0].tokens
    assert one[: len(greedy)] == greedy


def test_rows_are_searched_by_themselves() -> None:
    search = BeamSearch(3, 5, frozenset({STOP}), 0.6)
    prompts = np.array([[1], [2], [3]])
    together = beam_search(Table(2), prompts, search)
    alone = [beam_search(Table(2), prompts[n : n + 1], search)[0] for n in range(3)]
    assert together == alone


def test_ends_once_nothing_better_can_come() -> None:
    class Counted(Table):
        calls = 0

        def next(self, tokens: Array) -> Array:
            self.calls += 1
            return super().next(tokens)

        def logits(self, row: tuple[int, ...]) -> Array:
            return np.array([20.0, 0.0, 0.0, 0.0])

    model = Counted(0)
    (best, *_) = beam_search(model, np.array([[1]]), BeamSearch(2, 50, frozenset({STOP})))[0]
    assert best.tokens == (STOP,)
    assert model.calls < 5
