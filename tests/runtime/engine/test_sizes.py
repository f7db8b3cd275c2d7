"""Values of free sizes from the shapes of arrays."""

from __future__ import annotations

import pytest

from netdsl.dims import symbol
from netruntime.sizes import SizeClashError, bind_sizes

B, C, H = symbol("B"), symbol("C"), symbol("H")


def test_sizes_of_symbols_are_solved() -> None:
    assert bind_sizes((B, 2 * H + 1, B * C), (4, 9, 12), {}) == {"B": 4, "H": 4, "C": 3}
    assert bind_sizes((B * C, B, C), (12, 4, 3), {}) == {"B": 4, "C": 3}
    assert bind_sizes((10 - H,), (4,), {}) == {"H": 6}


def test_what_has_no_one_value_is_left_open() -> None:
    assert bind_sizes((B * C,), (7,), {}) == {}
    assert bind_sizes((H * H, H // 2), (9, 1), {}) == {}


def test_a_size_that_does_not_fit_says_why() -> None:
    with pytest.raises(SizeClashError, match=r"axis 0 is 13, not 12 \(`B\*C`\)"):
        bind_sizes((B * C, B, C), (13, 4, 3), {})
    with pytest.raises(SizeClashError, match=r"axis 0 is 4, not 5 \(`B`\)"):
        bind_sizes((B,), (4,), {"B": 5})
    with pytest.raises(SizeClashError, match="`8//H` has no value"):
        bind_sizes((8 // H,), (4,), {"H": 0})


def test_a_symbol_by_itself_is_settled_before_a_computed_size_is_blamed() -> None:
    with pytest.raises(SizeClashError, match=r"axis 0 is 8, not 6 \(`H\*2`\)") as caught:
        bind_sizes((2 * H, H), (8, 3), {})
    assert caught.value.axis == 0 and caught.value.learned == {"H": 1}
