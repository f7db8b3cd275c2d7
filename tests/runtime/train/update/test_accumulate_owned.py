"""Gradients of one part are changed in place only where no other weight shares them."""

from __future__ import annotations

import numpy as np

from netruntime.train.update.accumulate import owned


def test_shared_and_viewed_arrays_are_copied() -> None:
    whole = np.ones((4, 2))
    given = {"a": whole, "b": whole, "c": whole[:2], "d": whole.T, "e": np.ones(3)}
    found = owned(given)
    assert found["a"] is whole and found["e"] is given["e"]
    for name in "bcd":
        found[name] *= 2
    assert (whole == 1).all()
