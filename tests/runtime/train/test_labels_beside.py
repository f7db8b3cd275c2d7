"""Data as two arguments, `fit(file, x, y)`, and the mapping to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

NET = """net 1.0

model M(image: f32[B, 4]) -> logits: f32[B, 3] {
  return image -> Linear(3)
}

train M {
  input digit: i32[B]
  loss = cross_entropy(logits, digit)
}
"""
X = np.zeros((8, 4), np.float32)
Y = np.arange(8, dtype=np.int32) % 3
WAY = 'write one mapping with the names of the file: `{"image": x, "digit": y}`'


@pytest.mark.parametrize("call", [nr.fit, nr.evaluate])
@pytest.mark.parametrize(("x", "y"), [(X, Y), (X.tolist(), Y.tolist()), (X, Y.tolist())])
def test_two_arrays_get_the_mapping_with_the_names_of_the_file(call: Any, x: Any, y: Any) -> None:
    with pytest.raises(nr.NetError) as refused:
        call(NET, x, y)
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.help) == ("E0870", WAY)
    call(NET, {"image": x, "digit": y})


def test_arrays_of_one_input_are_training_and_validation_data() -> None:
    one = NET.replace("  input digit: i32[B]\n", "").replace("cross_entropy(logits, digit)", "mean(logits)")
    assert nr.fit(one, X, X, epochs=1).step == 1


def test_pairs_are_rows_and_no_arrays() -> None:
    rows = list(zip(X, Y, strict=True))
    assert nr.fit(NET, rows, rows, epochs=1).step == 1
