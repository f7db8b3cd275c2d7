"""A table of embeddings that is the last layer too: its gradient is made in the order of its memory."""

from __future__ import annotations

import numpy as np

import netruntime as nr
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.shape.rearrange import Transpose

TIED = """net 1.0
model Tied(ids: i32[B, T]) -> loss: f32[] {
  layer embed = Embedding(7, 4)
  return mean(square(embed(ids) @ transpose(embed.weight, [1, 0])))
}
"""


def test_the_gradient_lies_in_rows() -> None:
    """No product is turned over after it was made, which would be a walk through memory across its rows."""
    net = nr.load(TIED, engine="numpy")
    gradient = net.grad("loss", ["embed.weight"])
    steps = gradient.plan({"B": 2, "T": 3}).steps
    made_by = {place: step.op for step in steps for place in step.outputs}
    turned = [step for step in steps if isinstance(step.op, Transpose)]
    assert turned
    assert not any(isinstance(made_by.get(step.inputs[0] or 0), MatMul) for step in turned)
    found = gradient(ids=np.array([[0, 2, 2], [6, 1, 0]], np.int32))
    assert found.flags.c_contiguous


def test_the_gradient_is_that_of_both_uses() -> None:
    """Against differences in f64."""
    net = nr.load(TIED.replace("f32", "f64").replace("(7, 4)", "(7, 4, dtype=f64)"))
    ids = np.array([[0, 2, 2], [6, 1, 0]], np.int32)
    found = net.grad("loss", ["embed.weight"])(ids=ids)
    weight = net.weights["embed.weight"]
    expected = np.empty_like(weight)
    for place in np.ndindex(*weight.shape):
        moved = []
        for step in (1e-6, -1e-6):
            other = weight.copy()
            other[place] += step
            moved.append(net.with_weights({"embed.weight": other})(ids=ids))
        expected[place] = (moved[0] - moved[1]) / 2e-6
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
