"""Regularisers: what they add to the loss, and to the gradients its derivative by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.model import Call
from netdsl.source import Source, Span
from netruntime.errors import TrainingError
from netruntime.train.update.array_blocks import block_size
from netruntime.train.update.optimizers import SGD
from netruntime.train.update.regularisers import make_regulariser, make_regularisers, regularise

SPAN = Span(Source("net.net", "l2"), 0, 2)


def weights_of(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"a.w": rng.normal(size=(3, 4)), "a.b": rng.normal(size=4), "c": np.asarray(rng.normal())}


def penalty(weights: dict[str, Any], rules: Any) -> float:
    return float(sum(rule.strength * rule.penalty(np, weights[n]) for rule, labels in rules for n in labels))


def test_the_penalties_are_their_formulas() -> None:
    weights = weights_of()
    rules = [
        (make_regulariser("l1", {"strength": 0.3}), ["a.w"]),
        (make_regulariser("l2", {"strength": 2}), ["a.b", "c"]),
    ]
    expected = 0.3 * np.abs(weights["a.w"]).sum() + 2 * (np.square(weights["a.b"]).sum() + weights["c"] ** 2)
    assert penalty(weights, rules) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_gradients_are_the_derivatives(name: str) -> None:
    weights, rules = weights_of(), [(make_regulariser(name, {"strength": 0.7}), ["a.w", "c"])]
    gradients = {label: np.ones_like(w) for label, w in weights.items()}
    regularise(np, weights, gradients, rules)
    for label in weights:
        for index in np.ndindex(weights[label].shape):
            penalties = []
            for change in (1e-6, -1e-6):
                moved = {name: w.copy() for name, w in weights.items()}
                moved[label][index] += change
                penalties.append(penalty(moved, rules))
            slope = (penalties[0] - penalties[1]) / 2e-6
            assert gradients[label][index] - 1 == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_l2_is_coupled_weight_decay() -> None:
    decayed, penalised = weights_of(), weights_of()
    optimizer = SGD(lr=0.1, momentum=0.9)
    for weights, decay in ((decayed, 0.4), (penalised, 0.0)):
        gradients = {label: np.ones_like(w) for label, w in weights.items()}
        if not decay:
            regularise(np, weights, gradients, [(make_regulariser("l2", {"strength": 0.2}), list(weights))])
        for label, weight in weights.items():
            optimizer.update_weight(
                np, weight, gradients[label], optimizer.init(np, weight), step=1, lr=0.1, decay=decay
            )
    for label in decayed:
        np.testing.assert_allclose(decayed[label], penalised[label], rtol=1e-13)


def test_l1_has_no_slope_at_zero_and_frozen_weights_count_for_nothing() -> None:
    weights = {"w": np.array([0.0, -2.0]), "frozen": np.ones(3)}
    gradients = {"w": np.zeros(2)}
    regularise(np, weights, gradients, [(make_regulariser("l1", {"strength": 1}), list(weights))])
    np.testing.assert_array_equal(gradients["w"], [0.0, -1.0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_large_and_short_weights(dtype: Any) -> None:
    weights = {"w": np.full(2 * block_size(np) + 5, -0.5, dtype)}
    gradients = {"w": np.ones_like(weights["w"])}
    rules = [(make_regulariser("l2", {"strength": 0.25}), ["w"])]
    assert penalty(weights, rules) == pytest.approx(0.25 * 0.25 * weights["w"].size)
    regularise(np, weights, gradients, rules)
    np.testing.assert_array_equal(gradients["w"], dtype(0.75))


def test_those_of_a_section() -> None:
    calls = [Call("l1", {"strength": 0.1}, SPAN, ("a.*",)), Call("l2", {}, SPAN)]
    made = make_regularisers(calls, ["a.w", "a.b", "c"])
    assert [labels for _, labels in made] == [["a.w", "a.b"], ["a.w", "a.b", "c"]]
    for call, code in (
        (Call("l2", {"strength": -1.0}, SPAN), "E1080"),
        (Call("l3", {}, SPAN), "E1081"),
        (Call("l2", {}, SPAN, ("d.*",)), "E1082"),
    ):
        with pytest.raises(TrainingError) as caught:
            make_regularisers([call], ["a.w"])
        assert (caught.value.code, caught.value.diagnostics[0].span) == (code, SPAN)
