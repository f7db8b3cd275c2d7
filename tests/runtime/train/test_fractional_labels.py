"""A label that is not an integer: its file, line and value."""

from __future__ import annotations

from pathlib import Path

import pytest

import netruntime as nr

NET = """net 1.0

model M(x: f32[B, 1]) -> logits: f32[B, 3] {
  return x -> Linear(3)
}

train M {
  input label: i32[B]
  loss = cross_entropy(logits, label)
}
"""


def test_a_fraction_is_shown_with_its_line_and_the_loss_of_numbers(tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_text("x,label\n1,0\n2,1\n3,2.5\n")
    with pytest.raises(nr.NetError) as refused:
        nr.fit(NET, data, epochs=1)
    (problem,) = refused.value.diagnostics
    assert problem.code == "E0804" and problem.help is not None and "`mse`" in problem.help
    assert problem.message == f"input `label` is i32[B], but line 4 of `{data}`, column `label` holds 2.5"
    numbers = NET.replace("i32[B]", "f32[B]").replace("f32[B, 3]", "f32[B]")
    numbers = numbers.replace("x -> Linear(3)", "(x -> Linear(1))[:, 0]").replace("cross_entropy", "mse")
    assert nr.fit(numbers, data, epochs=1).step == 1
