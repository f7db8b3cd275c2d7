"""`constant` keeps the value that is written, in each type."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr


@pytest.mark.parametrize(
    ("value", "dtype"),
    [("7", "i64"), ("9007199254740993", "i64"), ("-1", "i8"), ("true", "bool"), ("7", "f64"), ("0.5", "f32")],
)
def test_a_constant_is_exact(value: str, dtype: str) -> None:
    text = f"net 1.0\n\nmodel M() -> y: {dtype}[2] {{ return constant({value}, [2], dtype={dtype}) }}\n"
    result = nr.load(text)()
    wanted = True if value == "true" else float(value) if dtype.startswith("f") else int(value)
    assert [one == wanted for one in result.tolist()] == [True, True]


def test_a_constant_may_be_a_size() -> None:
    text = "net 1.0\n\nmodel M(x: f32[B, 3]) -> y: f32[2] { return constant(B, [2]) }\n"
    np.testing.assert_array_equal(nr.load(text)(x=np.zeros((5, 3), np.float32)), [5, 5])
