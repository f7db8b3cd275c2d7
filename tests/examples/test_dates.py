"""The Transformer for dates: its corpus, and that it learns a task of order, for which it needs positions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from itertools import product
from types import ModuleType

import numpy as np
import pytest

import netruntime as nr
from netruntime.readers.vocabulary import Characters
from zoo.examples import EXAMPLES

SOURCE = EXAMPLES / "dates.net"
LETTERS = "abcdef"
SMALL = {"vocab": len(LETTERS) + 3, "dim": 32, "depth": 1, "heads": 2, "ff": 64, "dropout": 0.0}
RECIPE = {"optimizer": "adam(lr=5e-3)", "schedule": "cosine(warmup=20)"}


@pytest.fixture(scope="module")
def dates() -> Iterator[ModuleType]:
    """examples/experiments/dates.py"""
    sys.path.insert(0, str(EXAMPLES / "experiments"))
    try:
        import dates

        yield dates
    finally:
        sys.path.remove(str(EXAMPLES / "experiments"))


@pytest.mark.parametrize(
    ("day", "spellings"),
    [
        (
            date(1984, 4, 3),
            [
                "the third of april nineteen eighty four",
                "april third nineteen eighty four",
                "3 april 1984",
                "april 3rd, 1984",
                "3 apr 84",
                "3.4.1984",
                "4/3/1984",
            ],
        ),
        (
            date(2005, 12, 31),
            [
                "the thirty first of december two thousand and five",
                "december thirty first two thousand and five",
                "31 december 2005",
                "december 31st, 2005",
                "31 dec 05",
                "31.12.2005",
                "12/31/2005",
            ],
        ),
        (
            date(1907, 11, 12),
            [
                "the twelfth of november nineteen oh seven",
                "november twelfth nineteen oh seven",
                "12 november 1907",
                "november 12th, 1907",
                "12 november 1907",
                "12.11.1907",
                "11/12/1907",
            ],
        ),
    ],
)
def test_spellings(dates: ModuleType, day: date, spellings: list[str]) -> None:
    assert [spell(day) for spell in dates.SPELLINGS.values()] == spellings


def test_years(dates: ModuleType) -> None:
    from make_dates import year_in_words

    said = {1900: "nineteen hundred", 2000: "two thousand", 2010: "twenty ten", 2040: "twenty forty"}
    assert {year: year_in_words(year) for year in said} == said


def test_each_date_once_and_the_same_for_a_seed(dates: ModuleType) -> None:
    pairs = dates.make_pairs(2000, 7)
    assert len({iso for _, iso in pairs}) == 2000
    assert pairs == dates.make_pairs(2000, 7) != dates.make_pairs(2000, 8)
    assert {dates.spelling(pair) for pair in pairs} == {*dates.SPELLINGS}


def reversed_letters() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Three letters and the same backwards: 186 pairs to train on, and 30 others."""
    words = ["".join(letters) for letters in product(LETTERS, repeat=3)]
    order = np.random.default_rng(3).permutation(len(words))
    pairs = [(words[n], words[n][::-1]) for n in order]
    return pairs[30:], pairs[:30]


def exact(dates: ModuleType, **config: object) -> tuple[float, nr.Network]:
    """The share of unseen words reversed to the last letter, step by step, and the network that did it."""
    train, test = reversed_letters()
    codec = Characters.of(LETTERS, special=True)
    rows = [
        {
            "src": codec.encode(word, ""),
            "tgt": np.array([codec.begin, *codec.encode(back, "")]),
            "label": np.array([*codec.encode(back, ""), codec.end]),
        }
        for word, back in train
    ]
    trained = nr.fit(SOURCE, rows, config={**SMALL, **config}, train=RECIPE, epochs=30, batch_size=62)
    made = dates.translate(trained.network(), codec, [word for word, _ in test])
    return float(np.mean([a == b for a, (_, b) in zip(made, test, strict=True)])), trained.network()


def test_order_is_learned_with_positions_and_attention_finds_the_letters(dates: ModuleType) -> None:
    share, network = exact(dates)
    assert share >= 0.9
    codec = Characters.of(LETTERS, special=True)
    src = codec.encode("fad", "")[None]
    tgt = np.array([[codec.begin, *codec.encode("daf", "")]])
    keep = {"src_keep": np.ones((1, 3), np.bool_), "tgt_keep": np.ones((1, 4), np.bool_)}
    attention = network.tap("decoder.0.cross_attn.A")(src=src, tgt=tgt, **keep)
    assert attention.shape == (1, 2, 4, 3)
    np.testing.assert_allclose(attention.sum(-1), 1, rtol=1e-5)


def test_order_is_not_learned_without_positions(dates: ModuleType) -> None:
    share, _ = exact(dates, positions=False)
    assert share <= 0.5


@pytest.mark.slow
def test_the_recorded_claim(dates: ModuleType) -> None:
    pairs = dates.make_pairs(13000, dates.CORPUS)
    result = dates.learn(pairs[:12000], pairs[12000:], {}, 14)
    assert np.mean(result.right(pairs[12000:])) >= 0.99
