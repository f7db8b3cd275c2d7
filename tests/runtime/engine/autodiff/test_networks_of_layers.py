"""Convolutions, pools, normalisations, attention and their kin, with free sizes, against finite differences.

Each network is differentiated once and, through the operators that its gradient runs, a second time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import check, check_hessian, loaded

IMAGE = "x: f64[B, 4, H, 4]"
ROWS = "x: f64[B, T, 6]"
HEADS = "q: f64[B, 4, T, 4], k: f64[B, 2, T, 4], v: f64[B, 2, T, 2]"

CASES = {
    "conv": (f"{IMAGE}, w: f64[6, 4, 3, 3], b: f64[6]", "conv(x, w, b, pad=1)"),
    "conv by strides": (f"{IMAGE}, w: f64[6, 2, 2, 3]", "conv(x, w, stride=[2, 1], pad=[1, 0], groups=2)"),
    "depthwise conv": (f"{IMAGE}, w: f64[4, 1, 3, 3]", 'conv(x, w, stride=2, pad="same", groups=4)'),
    "pointwise conv": (f"{IMAGE}, w: f64[3, 4, 1, 1]", "conv(x, w)"),
    "conv_transpose": (
        f"{IMAGE}, w: f64[4, 3, 3, 3], b: f64[3]",
        "conv_transpose(x, w, b, stride=2, pad=1, output_pad=1)",
    ),
    "max_pool": (IMAGE, "max_pool(x, 2)"),
    "max_pool that overlaps": (IMAGE, "max_pool(x, 3, stride=2, pad=1)"),
    "avg_pool": (IMAGE, "avg_pool(x, 3, stride=2, pad=1)"),
    "lp_pool": (IMAGE, "lp_pool(x, 2, p=3.0)"),
    "global pools": (IMAGE, "global_avg_pool(x) * global_max_pool(x) + global_lp_pool(x)"),
    "adaptive_avg_pool": (IMAGE, "adaptive_avg_pool(x, [2, 4])"),
    "adaptive_max_pool": (IMAGE, "adaptive_max_pool(x, [2, 4])"),
    "layer_norm": (f"{ROWS}, w: f64[6], b: f64[6]", "layer_norm(x, w, b)"),
    "layer_norm over other axes": (f"{IMAGE}, w: f64[4, 4]", "layer_norm(x, w, over=[1, 3])"),
    "rms_norm": (f"{ROWS}, w: f64[6]", "rms_norm(x, w)"),
    "l2_normalize": (ROWS, "l2_normalize(x)"),
    "group_norm": (f"{IMAGE}, w: f64[4], b: f64[4]", "group_norm(x, w, b, groups=2)"),
    "instance_norm": (f"{IMAGE}, w: f64[4]", "instance_norm(x, w)"),
    "batch_norm": (
        f"{IMAGE}, mean: f64[4], var: f64[4], w: f64[4], b: f64[4]",
        "batch_norm(x, mean, exp(var), w, b)",
    ),
    "local_response_norm": (IMAGE, "local_response_norm(x, size=3, alpha=0.5)"),
    "softmax": (ROWS, "softmax(x) * log_softmax(x, over=1)"),
    "attention": (HEADS, "attention(q, k, v)"),
    "causal attention": (
        f"{HEADS}, bias: f64[4, T, T]",
        "attention(q, k, v, bias=bias, causal=true, scale=0.7)",
    ),
    "positions": (
        "q: f64[B, 4, T, 4]",
        "alibi(rotary(q) @ transpose(rotary(q, interleaved=true), [0, 1, 3, 2]))",
    ),
    "linear": (f"{ROWS}, w: f64[6, 3], b: f64[3]", "linear(x, w, b) @ transpose(w, [1, 0])"),
    "einsum": (f"{ROWS}, w: f64[6, 6]", "einsum(x[b,t,d], w[d,e], x[b,t,d], w[e,e] => [b,t])"),
    "upsample": (IMAGE, 'upsample(x, 2) - upsample(x, 2, mode="bilinear")'),
    "pad": (IMAGE, 'pad(x, 1) * pad(x, 1, mode="reflect") + pad(x, 1, mode="edge") * pad(x, 1, mode="wrap")'),
}


def network(inputs: str, formula: str) -> Any:
    return loaded(f"""
model M({inputs}) -> loss: f64[] {{
  y = {formula}
  return sum(y * y * y)
}}""")


def inputs_of(net: Any) -> dict[str, Any]:
    rng, sizes = np.random.default_rng(0), {"B": 2, "T": 3, "H": 4}
    shapes = {
        name: [sizes[str(n)] if n.symbols else int(n) for n in t.shape] for name, t in net.inputs.items()
    }
    return {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_second_derivatives(name: str) -> None:
    net = network(*CASES[name])
    inputs = inputs_of(net)
    check(net, "loss", list(inputs), inputs)
    for each in inputs:
        check_hessian(net, "loss", each, inputs)


def test_batch_statistics() -> None:
    net = loaded("""
model M(x: f64[B, 3, H], w: f64[3], b: f64[3]) -> loss: f64[] {
  y, mean, var = batch_norm_training(x, w, b)
  return sum(y * y * y) + sum(mean * mean * var)
}""")
    rng = np.random.default_rng(1)
    inputs = {"x": rng.normal(size=(2, 3, 4)), "w": rng.normal(size=3), "b": rng.normal(size=3)}
    check(net, "loss", list(inputs), inputs)
    for each in inputs:
        check_hessian(net, "loss", each, inputs)


def test_normalisation_inside_a_cell() -> None:
    net = loaded("""
cell Normed(x: [B, D]) -> [B, D] {
  state h: [B, D] = zeros
  next h = x + h -> norm: LayerNorm -> tanh -> again: GroupNorm(2)
  return h'
}
model M(x: f64[B, T, 4]) -> loss: f64[] {
  y = x -> c: scan Normed
  return sum(y * y * y)
}""")
    inputs = {"x": np.random.default_rng(2).normal(size=(2, 3, 4))}
    check(net, "loss", ["x", *net.weights], inputs)
    check_hessian(net, "loss", "x", inputs)
