"""Every operator is differentiable and agrees with finite differences, or says why it is not.

Walks the registry: at least 8 samples of each operator in f64, and for each a planted wrong gradient that
must be caught.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.ops.contract.base import INTERNAL, REGISTRY, Example, Op
from netdsl.ops.elementwise.stop_gradient import StopGradient
from ops.gradients.finite_differences import analytic, check_gradient, draw_doubles, is_float
from ops.harness import SELECTED

SAMPLES = 8
EVERY = {name: cls for name, cls in {**REGISTRY, **INTERNAL}.items() if SELECTED in name}

ELSEWHERE = {
    "dropout": "differentiated in parts: tests/runtime/engine/autodiff",
    "scan": "tests/runtime/engine/autodiff/test_scan_gradient.py",
    "stop_gradient": "test_nothing_flows_through_stop_gradient",
}
"""Operators that the walk cannot drive, each with the test that covers it."""


def has_gradient(cls: type[Op]) -> bool:
    return cls.gradient is not Op.gradient


def has_parts(cls: type[Op]) -> bool:
    return cls.in_parts is not Op.in_parts


DIFFERENTIABLE = sorted(name for name, cls in EVERY.items() if has_gradient(cls) and name not in ELSEWHERE)


def samples(cls: type[Op]) -> list[tuple[Example, list[Any]]]:
    """At least 8 draws of the operator's examples that hold floats."""
    found: list[tuple[Example, list[Any]]] = []
    for seed in range(SAMPLES):
        drawn = [(item, draw_doubles(item, seed)) for item in cls.examples()]
        found += [(item, arrays) for item, arrays in drawn if any(is_float(a) for a in arrays)]
        if sum(any(is_float(a) and a.size for a in arrays) for _, arrays in found) >= SAMPLES:
            return found
    raise AssertionError(f"{cls.name} has no examples with floats")


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_operator_has_a_gradient_or_a_reason(name: str) -> None:
    cls = EVERY[name]
    facets = [has_gradient(cls), has_parts(cls), bool(cls.no_gradient)]
    if not any(is_float_input(cls)):
        return
    assert sum(facets) == 1, f"{name} needs one of `gradient`, `in_parts`, `no_gradient`: {facets}"


def is_float_input(cls: type[Op]) -> list[bool]:
    """For each input of each example, whether it holds floats."""
    return [d is not None and d.dtype.is_float for item in cls.examples() for d in item.inputs]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_agrees_with_finite_differences(name: str) -> None:
    for item, arrays in samples(EVERY[name]):
        check_gradient(item.op, arrays, analytic(item.op, arrays))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_wrong_gradient_is_caught(name: str) -> None:
    """Each input's gradient is made wrong by a hundredth, in turn: the check must notice."""
    caught, possible = set(), set()
    for item, arrays in samples(EVERY[name]):
        right = analytic(item.op, arrays)
        for slot, gradient in enumerate(right):
            if gradient is None or not np.any(np.abs(gradient) > 1e-3):
                continue
            possible.add(slot)
            wrong = [g if n != slot else g * 1.01 for n, g in enumerate(right)]
            if slot in caught:
                continue
            try:
                check_gradient(item.op, arrays, wrong)
            except AssertionError:
                caught.add(slot)
    assert possible, f"{name}: all gradients are 0 on all samples"
    assert caught == possible, f"{name}: a wrong gradient of input {possible - caught} was not noticed"


def test_nothing_flows_through_stop_gradient() -> None:
    x = np.ones(3)
    assert analytic(StopGradient(), [x]) == [None]
    assert StopGradient().forward(np, x) is x
