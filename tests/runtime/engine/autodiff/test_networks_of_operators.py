"""Networks of lookups, cuts, joins, choices and activations, with free sizes, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import check, check_hessian, loaded

NETWORKS = {
    "lookups and cuts": """
model M(table: f64[9, D], ids: i64[B, T], x: f64[B, T, D]) -> loss: f64[] {
  rows = gather(table, ids)
  left, right = split(concat(rows, x, axis=2), parts=2, axis=2)
  ends = left[:, 1:] * right[:, :-1] + flip(left, over=1)[:, 1:]
  return sum(ends ** 2 / 3) + mean(stack(rows, x)[0] * right)
}""",
    "activations": """
model M(x: f64[B, T]) -> loss: f64[] {
  smooth = gelu(x) * silu(x + 1) + mish(x) - softplus(x) * sigmoid(x) + tanh(x)
  return sum(smooth * elu(x) * exp(-x * x) + erf(x) * softsign(x) + gelu(x, approximate="tanh"))
}""",
    "choices and groups": """
model M(x: f64[B, T], y: f64[B, T]) -> loss: f64[] {
  chosen = where(x > y, x * y, y ** 3) + maximum(x, y) * minimum(x, 0.5 * y)
  spread = variance(chosen, over=1) + logsumexp(x, over=1) + max(y * y, over=1) + prod(x + 3.0, over=1)
  kept = mean(chosen, over=1, where=x > 0.0) * mean(y, over=1)
  return sum(spread * kept) + mean(cumsum(x, axis=1) * y)
}""",
    "reshaping": """
config { heads = 2 }
model M(x: f64[B, T, 6], w: f64[6]) -> loss: f64[] {
  heads = (x * w) -> [B, T, heads*d] => [B, heads, T, d]
  tiled = tile(transpose(flatten(heads, start=2), [1, 0, 2]), [1, 2, 1])
  rolled = roll(reshape(x, [B, -1]), shift=2, axis=1)
  return sum(sin(tiled)) * mean(sqrt(rolled * rolled + 1.0) / cos(0.1 * rolled))
}""",
}


def inputs_of(net: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = {"B": 2, "T": 3, "D": 4}
    found = {}
    for name, type_ in net.inputs.items():
        shape = [sizes[str(n)] if n.symbols else int(n) for n in type_.shape]
        found[name] = rng.integers(0, 9, shape) if type_.dtype.is_int else rng.normal(size=shape)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_and_second_derivatives(name: str) -> None:
    net = loaded(NETWORKS[name])
    inputs = inputs_of(net)
    floats = [key for key, array in inputs.items() if array.dtype == np.float64]
    check(net, "loss", floats, inputs)
    check_hessian(net, "loss", floats[0], inputs)
