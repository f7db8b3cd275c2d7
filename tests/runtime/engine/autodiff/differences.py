"""Gradients of whole networks held against central differences in f64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import netruntime as nr
from netruntime.engine.network import Network

STEP = 1e-5
RTOL, ATOL = 1e-5, 1e-7


def loaded(source: str, **config: Any) -> Network:
    return nr.load("net 1.0\n" + source, **config)


def numeric(net: Network, loss: str, name: str, inputs: Mapping[str, Any]) -> Any:
    """The central differences of a scalar with respect to an input or a weight, element by element."""
    weights = {path: array.copy() for path, array in net.weights.items()}
    arrays = {key: np.array(value) for key, value in inputs.items()}
    target = arrays[name] if name in arrays else weights[name]
    found = np.zeros(target.shape)
    for index in np.ndindex(target.shape):
        middle = target[index]
        ends = []
        for move in (STEP, -STEP):
            target[index] = middle + move
            ends.append(_value(net, weights, arrays, loss))
        target[index] = middle
        found[index] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def _value(net: Network, weights: Mapping[str, Any], inputs: Mapping[str, Any], loss: str) -> float:
    return float(net.with_weights(weights).run(inputs)[loss])


def check(net: Network, loss: str, wrt: Sequence[str], inputs: Mapping[str, Any], **options: Any) -> None:
    """Raise `AssertionError` where a gradient is not the slope."""
    found = net.grad(loss, wrt, **options).run(inputs)
    for name in wrt:
        expected = numeric(net, loss, name, inputs)
        np.testing.assert_allclose(found[name], expected, rtol=RTOL, atol=ATOL, err_msg=name)


def check_hessian(net: Network, loss: str, name: str, inputs: Mapping[str, Any]) -> None:
    """Raise `AssertionError` where the Hessian times a direction is not the slope of the gradient."""
    first = net.grad(loss, [name])
    weights = dict(net.weights)
    target = inputs[name] if name in inputs else weights[name]
    direction = np.random.default_rng(3).normal(size=target.shape)
    ends = []
    for move in (STEP, -STEP):
        moved = {name: target + move * direction}
        given = {**inputs, **moved} if name in inputs else inputs
        ends.append(first.with_weights(weights if name in inputs else {**weights, **moved}).run(given)[name])
    product = first.vjp(name, [name]).run({**inputs, "direction": direction})[name]
    np.testing.assert_allclose(product, (ends[0] - ends[1]) / (2 * STEP), rtol=RTOL, atol=ATOL)
