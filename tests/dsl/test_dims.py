"""Sizes as expressions: one canonical form, which always evaluates to what plain integers give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.dims import (
    MAX_SIZE,
    Dim,
    FreeSizeError,
    SizeOverflowError,
    dim,
    maximum,
    minimum,
    product,
    symbol,
)

NAMES = ("B", "H", "W")
Tree = Any


def trees() -> st.SearchStrategy[Tree]:
    leaves = st.one_of(st.integers(-9, 9), st.sampled_from(NAMES))
    operators = st.sampled_from(["+", "-", "*", "//", "%", "min", "max"])
    return st.recursive(leaves, lambda t: st.tuples(operators, t, t), max_leaves=8)


def as_dim(tree: Tree) -> Dim:
    if isinstance(tree, int):
        return dim(tree)
    if isinstance(tree, str):
        return symbol(tree)
    operator, left, right = tree
    a, b = as_dim(left), as_dim(right)
    return apply(operator, a, b, minimum, maximum)


def as_int(tree: Tree, sizes: dict[str, int]) -> int:
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return sizes[tree]
    operator, left, right = tree
    return apply(operator, as_int(left, sizes), as_int(right, sizes), min, max)


def apply(operator: str, a: Any, b: Any, least: Any, most: Any) -> Any:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "min":
            return least(a, b)
    return most(a, b)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(trees(), st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES}))
def test_an_expression_means_what_integers_give(tree: Tree, sizes: dict[str, int]) -> None:
    try:
        expected = as_int(tree, sizes)
        size = as_dim(tree)
        assert size.evaluate(sizes) == expected
        assert size.substitute(sizes) == expected
        half = {"B": sizes["B"]}
        assert size.substitute(half).evaluate(sizes) == expected
    except ZeroDivisionError:
        pass


@settings(max_examples=200, deadline=None, derandomize=True)
@given(trees(), trees(), st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES}))
def test_a_decided_order_holds_for_all_sizes(left: Tree, right: Tree, sizes: dict[str, int]) -> None:
    try:
        a, b = as_int(left, sizes), as_int(right, sizes)
        order = as_dim(left).compare(as_dim(right))
    except ZeroDivisionError:
        return
    if order is not None:
        assert order == (a > b) - (a < b)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((symbol("H") + 4 - 5) // 2 + 1, "(H + 1)//2"),
        (symbol("H") * 16, "H*16"),
        ((symbol("B") * symbol("H") * 2) // symbol("B"), "H*2"),
        (3 - symbol("H"), "-H + 3"),
        (minimum(symbol("H"), 3), "min(3, H)"),
        (symbol("H") // 2 // 2, "H//4"),
        (((symbol("H") + 1) // 2 + 1) // 2, "(H + 3)//4"),
        ((((symbol("H") + 1) // 2 + 1) // 2 + 1) // 2, "(H + 7)//8"),
        ((symbol("H") // 2 - 4) // 2 * 80, "H//4*80 - 160"),
        (dim(0), "0"),
    ],
)
def test_prints_its_canonical_form(size: Dim, text: str) -> None:
    assert str(size) == text


def test_equal_forms_are_equal_wherever_they_were_set() -> None:
    h = symbol("H")
    assert h + h == 2 * h and hash(h + h) == hash(2 * h)
    assert dim(7) == 7 and hash(dim(7)) == hash(7)
    assert (h * 4) // 4 == h and h % 1 == 0
    assert h != symbol("W") and h != 3


def test_exact_division() -> None:
    h = symbol("H")
    assert (h * 6).exact_divide(3) == h * 2
    assert h.exact_divide(2) is None
    assert product([h, 2, h]).exact_divide(h) == h * 2


def test_overflow_and_free_sizes_are_errors() -> None:
    assert dim(MAX_SIZE).value == MAX_SIZE
    with pytest.raises(SizeOverflowError, match="64 bits"):
        dim(MAX_SIZE) * 2
    with pytest.raises(SizeOverflowError):
        (symbol("H") * MAX_SIZE).evaluate({"H": 2})
    with pytest.raises(FreeSizeError, match="`H`"):
        int(symbol("H"))
