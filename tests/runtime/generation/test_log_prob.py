"""`log_prob` is that of the new tokens under the model itself, whatever the options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

MODEL = """net 1.0
model W(ids: i32[B, T]) -> logits: f32[B, T, 12] {
  return ids -> embed: Embedding(12, 16) -> layer: EncoderLayer(4, 32, causal=true) * 2 -> out: Linear(12)
}
"""
OPTIONS: list[dict[str, Any]] = [
    {"beams": 3},
    {"beams": 3, "repetition_penalty": 1.8},
    {"beams": 4, "repetition_penalty": 0.6, "length_penalty": 1.0, "stop": [7]},
    {"beams": 3, "stop": [7], "min_new": 6},
    {"beams": 12, "stop": [7, 2], "min_new": 2, "length_penalty": 0.7},
    {"temperature": 0.0, "repetition_penalty": 1.8},
    {"temperature": 0.0, "stop": [7], "min_new": 8},
    {"temperature": 0.4, "seed": 1},
    {"top_k": 2, "seed": 2},
    {"top_p": 0.3, "seed": 3, "stop": [7]},
    {
        "temperature": 2.0,
        "top_k": 5,
        "top_p": 0.9,
        "repetition_penalty": 1.3,
        "seed": 4,
        "stop": [7],
        "min_new": 3,
    },
]


@pytest.fixture(scope="module")
def net() -> nr.Network:
    drawn = nr.load(MODEL, seed=5)
    factor = {"out.weight": 3}
    return drawn.with_weights({name: np.array(w) * factor.get(name, 1) for name, w in drawn.weights.items()})


def log_prob(net: nr.Network, prompt: list[int], new: list[int]) -> float:
    z = net(ids=[[*prompt, *new]])[0].astype(np.float64)
    z -= np.log(np.exp(z).sum(-1, keepdims=True))
    return float(sum(z[len(prompt) - 1 + n, token] for n, token in enumerate(new)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_log_prob(net: nr.Network, options: dict[str, Any]) -> None:
    for prompt in ([3, 1, 4], [7, 7, 2]):
        result = nr.generate(net, prompt, max_new=8, **options)
        new = [int(token) for token in result.ids[0]]
        stop = options.get("stop", [])
        ends = [log_prob(net, prompt, [*new, token]) for token in stop] if result.stopped[0] else []
        expected = ends or [log_prob(net, prompt, new)]
        assert min(abs(value - result.log_prob[0]) for value in expected) < 1e-4
