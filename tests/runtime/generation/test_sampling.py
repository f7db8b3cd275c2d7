"""Sampling against the published definitions, written anew here or taken from PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.generation.sampling import (
    Sampling,
    ban,
    choose,
    draw_tokens,
    keep_top_k,
    keep_top_p,
    log_softmax,
    penalise_repeats,
)

Array = np.ndarray[Any, Any]
LOGITS = np.random.default_rng(3).normal(scale=3, size=(5, 12))


def kept(logits: Array) -> list[set[int]]:
    return [set(np.flatnonzero(np.isfinite(row)).tolist()) for row in logits]


def nucleus(row: Array, p: float) -> set[int]:
    """The smallest set of the likeliest tokens whose probabilities add up to p (Holtzman et al. 2020)."""
    chances = np.exp(row) / np.exp(row).sum()
    ranked = sorted(range(len(row)), key=lambda token: -chances[token])
    found: set[int] = set()
    for token in ranked:
        if found and sum(chances[t] for t in found) >= p:
            break
        found.add(token)
    return found


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_top_p_keeps_the_nucleus(p: float) -> None:
    result = keep_top_p(LOGITS, p)
    assert kept(result) == [nucleus(row, p) for row in LOGITS]
    inside = np.isfinite(result)
    np.testing.assert_array_equal(result[inside], LOGITS[inside])


@pytest.mark.parametrize("k", [1, 3, 12, 40])
def test_top_k_keeps_the_largest(k: int) -> None:
    expected = [set(sorted(range(12), key=lambda token: -row[token])[:k]) for row in LOGITS]
    assert kept(keep_top_k(LOGITS, k)) == expected


def test_filters_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    logits = torch.from_numpy(LOGITS)
    np.testing.assert_allclose(log_softmax(LOGITS), torch.log_softmax(logits, -1).numpy(), rtol=1e-12)
    least = torch.topk(logits, 4).values[:, -1:]
    expected = logits.masked_fill(logits < least, -torch.inf).numpy()
    np.testing.assert_array_equal(keep_top_k(LOGITS, 4), expected)
    ascending, order = torch.sort(logits, descending=False)
    drop = torch.softmax(ascending, -1).cumsum(-1) <= 1 - 0.7
    drop[:, -1:] = False
    expected = logits.masked_fill(drop.scatter(1, order, drop), -torch.inf).numpy()
    np.testing.assert_array_equal(keep_top_p(LOGITS, 0.7), expected)


def test_repetition_penalty() -> None:
    seen = np.array([[0, 3, 3], [1, 2, 5], [0, 0, 0], [11, 4, 7], [6, 6, 9]])
    result = penalise_repeats(LOGITS, seen, 1.3)
    for row in range(5):
        for token in range(12):
            score = LOGITS[row, token]
            if token in seen[row]:
                score = score / 1.3 if score > 0 else score * 1.3
            assert result[row, token] == pytest.approx(score)
    assert penalise_repeats(LOGITS, seen, 1.0) is LOGITS


def test_ban() -> None:
    assert kept(ban(LOGITS, [2, 5])) == [set(range(12)) - {2, 5}] * 5
    assert ban(LOGITS, []) is LOGITS


def test_draws_follow_the_probabilities() -> None:
    row = np.array([[1.0, 2.0, -np.inf, 0.5, 3.0]])
    rng = np.random.default_rng(0)
    drawn = np.bincount(draw_tokens(np.repeat(row, 40_000, axis=0), rng), minlength=5) / 40_000
    expected = np.exp(row[0]) / np.exp(row[0]).sum()
    np.testing.assert_allclose(drawn, expected, atol=0.01)
    assert drawn[2] == 0


def test_temperature() -> None:
    """Halving the temperature squares the odds."""
    row = np.repeat(np.log([[0.2, 0.8]]), 40_000, axis=0)
    drawn = choose(row, Sampling(temperature=0.5), np.random.default_rng(0)).mean()
    assert drawn == pytest.approx(0.64 / 0.68, abs=0.01)


def test_greedy_and_seeds() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(choose(LOGITS, Sampling(temperature=0), rng), LOGITS.argmax(-1))
    np.testing.assert_array_equal(choose(LOGITS, Sampling(top_k=1), rng), LOGITS.argmax(-1))
    drawn = [choose(LOGITS, Sampling(), np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"repetition_penalty": 0.0},
        {"min_new": -1},
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(nr.GenerationError, match=f"E1105.*`{name}`"):
        Sampling(**wrong)


@pytest.mark.parametrize("row", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]])
def test_logits_that_are_not_finite(row: list[float]) -> None:
    with pytest.raises(nr.GenerationError, match="E1107"):
        choose(np.array([[0.0, 1.0], row]), Sampling(), np.random.default_rng(0))
