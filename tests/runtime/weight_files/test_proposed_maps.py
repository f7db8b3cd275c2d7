"""Maps that errors propose, followed to the letter: the outputs are those of PyTorch's formulas."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.files.arrays import ArrayInfo
from netruntime.weight_files.proposing.proposal import propose

RNG = np.random.default_rng(5)
H, WIDTH, T = 3, 4, 5
X = RNG.normal(size=(2, T, WIDTH)).astype("f4")


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def proposal(source: str, weights: dict[str, Any]) -> str:
    with pytest.raises(nr.WeightsError) as wrong:
        nr.load(source, weights=weights)
    return str(wrong.value.diagnostics[0].help)


def followed(source: str, weights: dict[str, Any]) -> nr.Network:
    lines = proposal(source, weights).partition("add to the file: ")[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return nr.load(f"{source}{lines}\n", weights=weights)


def cell(gates: int, suffix: str = "_l0", width: int = WIDTH) -> dict[str, Any]:
    shapes = {"weight_ih": (gates * H, width), "weight_hh": (gates * H, H)}
    shapes |= {"bias_ih": (gates * H,), "bias_hh": (gates * H,)}
    return {f"rnn.{n}{suffix}": RNG.normal(size=s).astype("f4") for n, s in shapes.items()}


def step(kind: str, gi: Any, gh: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One step of PyTorch's cells from the products with the input and with the state, biases included."""
    if kind == "LSTM":
        i, f, g, o = np.split(gi + gh, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if kind == "GRU":
        (ri, zi, ni), (rh, zh, nh) = np.split(gi, 3, axis=1), np.split(gh, 3, axis=1)
        z = sigmoid(zi + zh)
        return (1 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * h, c
    return np.tanh(gi + gh), c


def by_hand(kind: str, w: dict[str, Any], x: Any, suffix: str = "_l0") -> Any:
    h = c = np.zeros((len(x), H))
    states = []
    for t in range(T):
        gi = x[:, t] @ w[f"rnn.weight_ih{suffix}"].T + w[f"rnn.bias_ih{suffix}"]
        gh = h @ w[f"rnn.weight_hh{suffix}"].T + w[f"rnn.bias_hh{suffix}"]
        h, c = step(kind, gi, gh, h, c)
        states.append(h)
    return np.stack(states, axis=1)


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_cells(kind: str, gates: int) -> None:
    source = f"net 1.0\nmodel M(x: f32[B, T, {WIDTH}]) {{ return x -> fwd: scan {kind}({H}) }}\n"
    w = cell(gates)
    assert ("+" in proposal(source, w)) == (kind != "GRU")
    np.testing.assert_allclose(followed(source, w)(x=X), by_hand(kind, w, X), rtol=1e-5, atol=1e-6)


def test_both_directions() -> None:
    cells = f"Recurrent(LSTM({H}), bidirectional=true)"
    source = f"net 1.0\nmodel M(x: f32[B, T, {WIDTH}]) {{ return x -> r: {cells} }}\n"
    w = cell(4) | cell(4, "_l0_reverse")
    back = by_hand("LSTM", w, X[:, ::-1], "_l0_reverse")[:, ::-1]
    expected = np.concatenate([by_hand("LSTM", w, X), back], axis=-1)
    np.testing.assert_allclose(followed(source, w)(x=X), expected, rtol=1e-5, atol=1e-6)


def test_a_gru_that_resets_before_the_product_is_not_proposed() -> None:
    source = (
        f"net 1.0\nmodel M(x: f32[B, T, {WIDTH}]) {{ return x -> fwd: scan GRU({H}, reset_after=false) }}\n"
    )
    assert "add to the file" not in proposal(source, cell(3))


def test_attention_with_joined_projections() -> None:
    source = "net 1.0\nmodel M(x: f32[B, T, 4]) { return x -> attn: MultiHeadAttention(1) }\n"
    shapes = {
        "in_proj_weight": (12, 4),
        "in_proj_bias": (12,),
        "out_proj.weight": (4, 4),
        "out_proj.bias": (4,),
    }
    w = {f"attn.{n}": RNG.normal(size=s).astype("f4") for n, s in shapes.items()}
    q, k, v = np.split(X @ w["attn.in_proj_weight"].T + w["attn.in_proj_bias"], 3, axis=-1)
    scores = np.exp(q @ k.swapaxes(1, 2) / 2)
    mixed = scores / scores.sum(-1, keepdims=True) @ v
    expected = mixed @ w["attn.out_proj.weight"].T + w["attn.out_proj.bias"]
    np.testing.assert_allclose(followed(source, w)(x=X), expected, rtol=1e-4, atol=1e-5)


def linears(*names: str) -> dict[str, ArrayInfo]:
    leaves = {"weight": ArrayInfo("f32", (6, 6)), "bias": ArrayInfo("f32", (6,))}
    return {f"{name}.{leaf}": info for name in names for leaf, info in leaves.items()}


def proposed(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    return str(propose(linears(*ours), linears(*theirs), dict.fromkeys(linears(*ours), "Linear")))


def test_layers_that_only_their_order_pairs_are_marked_as_guesses() -> None:
    help = proposed(("a", "b"), ("net.10", "net.2"))
    assert "compare the lines marked as guesses" in help
    assert '"net.2.*" => "a.*" transpose  # a guess: "net.10" fits as well' in help
    assert '"net.10.*" => "b.*" transpose  # a guess: "net.2" fits as well' in help
    assert "the matrices fit both ways" in help


def test_names_that_show_which_is_which_are_no_guess() -> None:
    help = proposed(("enc.up", "dec.up"), ("x.dec", "x.enc"))
    assert '"x.enc.*" => "enc.up.*" transpose\n' in help
    assert '"x.dec.*" => "dec.up.*" transpose\n' in help
    assert "guess" not in help
    help = proposed(("a.wq", "a.wk", "a.wv"), ("b.key", "b.query", "b.value"))
    assert '"b.query.*" => "a.wq.*" transpose\n' in help
    assert "guess" not in help


def test_numbers_of_other_ranges_are_not_matched_one_by_one() -> None:
    help = proposed(("f.0", "f.1", "f.2"), ("f.0", "f.2", "f.4"))
    lines = [line.strip().partition("  #")[0] for line in help.splitlines() if "=>" in line]
    assert lines == [f'"f.{2 * n}.*" => "f.{n}.*" transpose' for n in range(3)]
    assert help.count("a guess") == 3
