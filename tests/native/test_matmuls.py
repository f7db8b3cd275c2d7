"""Products of two computed arrays as they lie in memory: rows or columns contiguous, alone or in stacks."""

from __future__ import annotations

import numpy as np
import pytest

from native.running import check, floats, run_natively
from netdsl.ops.linear.einsum import Einsum

SIZES = [(1, 1, 1), (2, 3, 5), (16, 16, 16), (17, 33, 20), (31, 8, 49), (5, 300, 40), (33, 513, 66)]
"""Rows of the result, products of a sum, columns of the result."""


@pytest.mark.parametrize("rows, depth, count", SIZES)
def test_columns_times_rows(rows: int, depth: int, count: int) -> None:
    """As in the gradient of a weight."""
    check(Einsum("km,kn->mn"), floats(depth, rows), floats(depth, count, seed=1))


@pytest.mark.parametrize("rows, depth, count", SIZES)
def test_rows_times_columns(rows: int, depth: int, count: int) -> None:
    """As in the gradient of what a weight is multiplied with."""
    check(Einsum("mk,nk->mn"), floats(rows, depth), floats(count, depth, seed=1))


@pytest.mark.parametrize("equation", ["bkm,bkn->bmn", "kbm,kbn->bmn", "bkhm,bkhn->bhmn"])
def test_stacks_of_columns(equation: str) -> None:
    sizes = {"b": 3, "h": 2, "k": 7, "m": 18, "n": 35}
    shapes = [[sizes[letter] for letter in term] for term in equation.partition("->")[0].split(",")]
    check(Einsum(equation), floats(*shapes[0]), floats(*shapes[1], seed=1))


def test_columns_have_the_same_bits_for_any_threads() -> None:
    arrays = [floats(700, 90), floats(700, 75, seed=1)]
    one, two = (run_natively(Einsum("km,kn->mn"), arrays, threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_what_is_not_finite_stays_in_its_row_and_column() -> None:
    x, w = floats(300, 20), floats(300, 40, seed=1)
    x[7, 3], w[290, 39] = np.nan, np.inf
    (found,) = run_natively(Einsum("km,kn->mn"), [x, w])
    with np.errstate(all="ignore"):
        wanted = x.T @ w
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
