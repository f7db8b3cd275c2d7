"""Shared layers with side inputs, names that shadow others, and sections that overlap."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netruntime.engine.loading import open_module

HEAD = "net 1.0\n"
PAIR = """
model G(z: f32[B, 4]) -> image: f32[B, 6] { return z -> out: Linear(6) }
model D(image: f32[B, 6]) -> logit: f32[B] { return image -> fc: Linear(1) -> squeeze(1) }
train critic {
  input image: f32[B, 6]
  fake = FAKE
  loss = binary_cross_entropy(D(image), ones([B])) + binary_cross_entropy(D(fake), zeros([B]))
  CRITIC
}
train maker {
  input image: f32[B, 6]
  loss = binary_cross_entropy(D(G(normal([B, 4]))), ones([B])) + 0.0 * mean(image)
  MAKER
}
"""


def codes(text: str) -> list[str]:
    try:
        check(open_module(text), training=True)
    except NetError as wrong:
        return [d.code for d in wrong.diagnostics]
    return []


@pytest.mark.parametrize(
    "stage",
    [
        "enc: EncoderLayer(4, 32)(keep=keep) * 3 shared",
        "enc: EncoderLayer(heads=4, ff=32)(keep=keep) * 3 shared",
    ],
)
def test_a_shared_repetition_takes_side_inputs(stage: str) -> None:
    head = f"{HEAD}model M(x: f32[B, T, 16], keep: bool[B, 1, 1, T]) -> y: f32[B, T, 16] {{"
    repeated = nr.load(f"{head} return x -> {stage} }}", seed=1)
    apply = " -> enc(keep=keep)" * 3
    written = nr.load(
        f"{head}\n layer enc = EncoderLayer(4, 32)\n return x{apply} }}", dict(repeated.weights)
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 16))
    keep = (np.arange(5) < [[3], [5]])[:, None, None]
    np.testing.assert_array_equal(repeated(x=x, keep=keep), written(x=x, keep=keep))


@pytest.mark.parametrize(
    "text",
    [
        "config { code: int = 4 }\nmodel M(code: f32[B, code]) -> y: f32[B, 1] "
        "{ return code -> fc: Linear(1) }",
        "config { code: int = 4 }\nmodel M(x: f32[B, code], code: f32[B, code]) -> y: f32[B, 1] "
        "{ return x + code -> fc: Linear(1) }",
        "config { y: int = 4 }\nmodel M(x: f32[B, y]) -> y: f32[B, 1] { return x -> fc: Linear(1) }",
        "config { fc: int = 4 }\nmodel M(x: f32[B, fc]) -> y: f32[B, 1] { return x -> fc: Linear(1) }",
    ],
)
def test_what_check_passes_can_train(text: str) -> None:
    text = f"{HEAD}{text}\ntrain {{\n  input target: f32[B, 1]\n  loss = mse(y, target)\n}}\n"
    inputs = check(open_module(text)).phases[0].model.inputs
    assert inputs.keys() > {"target"}
    rows = {name: np.ones((4, 1 if name == "target" else 4)) for name in inputs}
    assert np.isfinite(nr.fit(text, rows, epochs=1).history[0].train[""]["loss"])


@pytest.mark.parametrize(
    ("fake", "critic", "maker", "expected"),
    [
        ("G(normal([B, 4]))", "", 'over "G.*"', ["E0228"]),
        ("G(normal([B, 4]))", 'over "D.*"', "", ["E0228"]),
        ("G(normal([B, 4]))", 'over "D.*"', 'over "G.*"', []),
        ("G(normal([B, 4]))", 'freeze "G.*"', 'over "G.*"', []),
        ("stop_gradient(G(normal([B, 4])))", "", 'over "G.*"', []),
        ("G(normal([B, 4]))", 'over "*"', 'over "G.*"', []),
        ("G(normal([B, 4]))", "", "", []),
    ],
)
def test_sections_that_train_the_weights_of_another(
    fake: str, critic: str, maker: str, expected: list[str]
) -> None:
    text = PAIR.replace("FAKE", fake).replace("CRITIC", critic).replace("MAKER", maker)
    assert codes(HEAD + text) == expected


def test_a_section_whose_loss_is_poisoned_trains_nothing() -> None:
    text = """
model G(noise: f32[B, 8]) -> image: f32[B, 16] { return noise -> g: Linear(16) }
model D(image: f32[B, 16]) -> score: f32[B] { return image -> d: Linear(1) -> squeeze(1) }
train judge {
  input real: f32[B, 16]
  let smooth = 0.1
  fake = G(normal([B, 8]i64 )
  real_score = D(real)
  fake_score = fake -> D
  loss = binary_cross_entropy(real_score, 1.0 - smooth + zeros([B]))
    + binary_cross_entropy(fake_score, zeros([B]))
  over "D.*"
}
train make {
  input real: f32[B, 16]
  loss = binary_cross_entropy(D(G(normal([B, 8]))), ones([B]))
}
train by_name {
  loss = mse(score, zeros([B]))
  over "D.*"
}
"""
    assert "E0107" in codes(HEAD + text)
