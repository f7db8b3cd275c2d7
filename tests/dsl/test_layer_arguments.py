"""A layer that is passed as an argument: one set of weights, under the label where it is declared."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netruntime.engine.loading import open_module

BLOCKS = """net 1.0
block Twice(f)(x: [B, D]) -> [B, D] { return x -> f -> f }
block Thrice(g: block)(x: [B, D]) { return x -> Twice(g) -> g }
block Each(fs)(x: [B, D]) { return x -> fs[0] -> fs[1] }
block Side(f)(x: [B, D], gate: [B, D]) { return f(x) * gate }
block Tied(f)(h: [B, D]) { return h @ transpose(f.weight, order=[1, 0]) }
block Owner(x: [B, D]) {
  layer fc = Linear(4)
  return x -> Twice(fc)
}
cell Rnn(f)(x: [B, D]) {
  state h: [B, D] = zeros
  next h = tanh(f(h) + f(x))
  return h
}
block Deep(f)(x: [B, T, D]) { return x -> scan Rnn(f) }
cell Normed(bn)(x: [B, D]) {
  state h: [B, D] = zeros
  next h = h + bn(x)
  return h
}
"""
WEIGHTS = ["fc.weight", "fc.bias"]
FC = "layer fc = Linear(4)"
STEPS = """
  h0 = 0.0 * q[:, 0, :]
  h1 = tanh(fc(h0) + fc(q[:, 0, :]))
  h2 = tanh(fc(h1) + fc(q[:, 1, :]))
  return (h0 + h1 + h2) / 3.0"""
SAME = {
    "twice": (f"{FC}\n  return x -> Twice(fc)", f"{FC}\n  return x -> fc -> fc"),
    "through two blocks": (f"{FC}\n  return x -> Thrice(fc)", f"{FC}\n  return x -> fc * 3"),
    "a block that has it": (f"{FC}\n  return x -> Twice(Twice(fc))", f"{FC}\n  return x -> fc * 4"),
    "a layer that has it": (
        f"{FC}\n  layer two = Twice(fc)\n  return x -> Thrice(two) -> fc",
        f"{FC}\n  return x -> fc * 7",
    ),
    "a list": (
        f"{FC}\n  layer b = Linear(4)\n  return x -> Each([fc, Twice(b)])",
        f"{FC}\n  layer b = Linear(4)\n  return x -> fc -> b -> b",
    ),
    "repeated": (
        f"{FC}\n  return x -> Twice(fc) * 2 -> Twice(fc) * 2 shared",
        f"{FC}\n  return x -> fc * 8",
    ),
    "beside inputs": (
        f"{FC}\n  return x -> Side(fc)(gate=x) -> Side(fc)(gate=x) * 2 shared",
        f"{FC}\n  a = fc(x) * x\n  b = fc(a) * x\n  return fc(b) * x",
    ),
    "its weight": (
        f"{FC}\n  return x -> fc -> Tied(fc)",
        f"{FC}\n  return fc(x) @ transpose(fc.weight, order=[1, 0])",
    ),
    "a scan": (f"{FC}\n  s = q -> scan Rnn(fc)\n  return mean(s, over=1)", FC + STEPS),
    "a scan in a block": (f"{FC}\n  s = q -> Deep(fc)\n  return mean(s, over=1)", FC + STEPS),
}


def model(body: str) -> str:
    train = "train {\n  input y: f32[B, 4]\n  loss = mse(output, y)\n  optimizer = sgd(lr=0.01)\n}\n"
    return f"{BLOCKS}model M(x: f32[B, 4], q: f32[B, 3, 4]) -> output: f32[B, 4] {{\n  {body}\n}}\n{train}"


def rows(count: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    sizes = {"x": (count, 4), "q": (count, 3, 4), "y": (count, 4)}
    return {name: rng.standard_normal(size).astype(np.float32) for name, size in sizes.items()}


@pytest.mark.parametrize("case", SAME)
def test_numbers_and_gradients_are_those_of_the_layer_itself(case: str) -> None:
    passed, plain = map(model, SAME[case])
    inputs = {name: rows()[name] for name in "xq"}
    first, second = (np.asarray(nr.load(text)(**inputs)) for text in (passed, plain))
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-7)
    trained = [dict(nr.fit(text, rows(), epochs=2).network().weights) for text in (passed, plain)]
    assert trained[0].keys() == trained[1].keys() >= set(WEIGHTS)
    for label in trained[0]:
        np.testing.assert_allclose(trained[0][label], trained[1][label], rtol=1e-5, atol=1e-7)


def test_each_call_of_a_block_has_its_own_layer() -> None:
    net = nr.load(model("return x -> a: Owner -> b: Owner"))
    assert list(net.weights) == ["a.fc.weight", "a.fc.bias", "b.fc.weight", "b.fc.bias"]


def test_running_statistics_go_on_from_use_to_use() -> None:
    passed = model("layer bn = BatchNorm()\n  return x -> Twice(bn)")
    plain = model("layer bn = BatchNorm()\n  return x -> bn -> bn")
    trained = [dict(nr.fit(text, rows(), epochs=1).network().weights) for text in (passed, plain)]
    assert np.abs(trained[0]["bn.running_mean"]).max() > 0
    for label, value in trained[1].items():
        np.testing.assert_array_equal(trained[0][label], value)


def test_statistics_that_a_cell_updates() -> None:
    text = model("layer bn = BatchNorm()\n  s = q -> scan Normed(bn)\n  return mean(s, over=1)")
    weights = nr.fit(text, rows(), epochs=1).network().weights
    assert set(weights) == {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}
    assert np.abs(weights["bn.running_mean"]).max() > 0


def test_a_pattern_freezes_it_where_it_is_declared() -> None:
    text = model(SAME["twice"][0]).replace("  optimizer", '  freeze "fc.weight"\n  optimizer')
    before = dict(nr.load(text).weights)
    after = nr.fit(text, rows(), epochs=1).network().weights
    np.testing.assert_array_equal(before["fc.weight"], after["fc.weight"])
    assert np.abs(after["fc.bias"] - before["fc.bias"]).max() > 0


@pytest.mark.parametrize(
    "body",
    [
        "layer fc = Linear(3)\n  return x -> Twice(fc)",
        "layer fc = Linear(4)\n  a = fc(q)\n  return x[:, :3] -> Thrice(fc)",
        "layer fc = Linear(4)\n  a = x -> a: Side(fc)(gate=x)\n  return fc(x[:, :3])",
    ],
)
def test_its_weights_have_one_shape(body: str) -> None:
    with pytest.raises(NetError, match="the layer `fc` would need `weight` as") as wrong:
        check(open_module(model(body)))
    assert [d.code for d in wrong.value.diagnostics] == ["E0309"]


def test_a_layer_for_a_number() -> None:
    with pytest.raises(NetError, match="declared int, but got the layer `fc`"):
        nr.load(model("layer fc = Linear(4)\n  return x -> Linear(fc)"))
