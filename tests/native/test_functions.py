"""Functions of one element: their error against f64, and special values as NumPy gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from native.running import library, run_natively, step_of
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.activations import (
    Celu,
    Elu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Selu,
    Softsign,
)
from netdsl.ops.elementwise.arithmetic import Negate
from netdsl.ops.elementwise.clip import Clip
from netdsl.ops.elementwise.elementary import Exp, Expm1, Log, Log1p, Reciprocal, Sqrt, Square
from netdsl.ops.elementwise.erf import Erf
from netdsl.ops.elementwise.rounding import Abs
from netdsl.ops.elementwise.smooth_activations import Gelu, Mish, Sigmoid, Silu, Softplus, Tanh
from netruntime.native.activations import FUNCTIONS

Array = np.ndarray[Any, Any]

SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-45, 3e38, -3e38, 88.8, -88.0, -103.9, 1e-8],
    np.float32,
)
ALL: list[Op] = [
    *(Relu(), Tanh(), Sigmoid(), Silu(), Gelu(), Gelu("tanh"), Softplus(), Mish(), LeakyRelu(0.2)),
    *(LeakyRelu(1.5), Elu(), Elu(0.3), Celu(0.5), Selu(), HardSigmoid(), HardSigmoid(0.2, 0.4), HardSwish()),
    *(Softsign(), Erf(), Exp(), Expm1(), Log(), Log1p(), Sqrt(), Reciprocal(), Square(), Negate(), Abs()),
    *(Clip(-1.0, 2.0), Clip(None, 0.5), Clip(0.25, None)),
]


def test_all_functions_are_here() -> None:
    assert {type(op) for op in ALL} == set(FUNCTIONS)


@pytest.mark.parametrize("op", ALL, ids=str)
def test_special_values(op: Op) -> None:
    x = np.concatenate([SPECIAL, np.linspace(-20, 20, 4001, dtype=np.float32)])
    _, (wanted,) = step_of(op, [x], [])
    (found,) = run_natively(op, [x])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-37 if type(op) not in SHARPER else 5e-6)
    np.testing.assert_array_equal(np.signbit(found[3:5]), np.signbit(wanted[3:5]))


def test_saturated_tanh_is_one_so_that_its_gradient_vanishes() -> None:
    x = np.array([9.0, 9.02, 10.0, 100.0, 3e38, np.inf], np.float32)
    (found,) = run_natively(Tanh(), [np.concatenate([x, -x])])
    np.testing.assert_array_equal(found, np.repeat(np.array([1, -1], np.float32), len(x)))


SHARPER = (Gelu,)
"""More precise than NumPy's, whose difference of 1 and the error function has no digits in the tail."""


def _all(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.array([function(float(one)) for one in x])


def _gelu_tanh(x: float) -> float:
    return x / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


CURVES: list[tuple[Op, Callable[[Array], Array], float, float, float]] = [
    # operator, in f64, from, to, units in the last place
    (Exp(), np.exp, -87, 88, 1.5),
    (Expm1(), np.expm1, -20, 80, 2.5),
    (Log(), np.log, 1e-30, 50, 2),
    (Log(), np.log, 0.5, 2, 2.5),
    (Log1p(), np.log1p, -0.99, 30, 3.5),
    (Erf(), _all(math.erf), -4.5, 4.5, 2),
    (Sigmoid(), lambda x: 1 / (1 + np.exp(-x)), -80, 80, 4),
    (Tanh(), np.tanh, -10, 10, 5),
    (Gelu(), _all(lambda x: x * math.erfc(-x / math.sqrt(2)) / 2), -12, 6, 12),
    (Gelu("tanh"), _all(_gelu_tanh), -5, 5, 32),
    (Softplus(), lambda x: np.logaddexp(0, x), -80, 80, 4),
    (Silu(), lambda x: x / (1 + np.exp(-x)), -80, 80, 5),
    (Mish(), lambda x: x * np.tanh(np.logaddexp(0, x)), -60, 60, 6),
]


@pytest.mark.parametrize("op, exact, low, high, units", CURVES, ids=[str(curve[0]) for curve in CURVES])
def test_error(op: Op, exact: Any, low: float, high: float, units: float) -> None:
    x = np.linspace(low, high, 100_003, dtype=np.float32)
    (found,) = run_natively(op, [x])
    wanted = exact(x.astype(np.float64))
    spacing = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    if library().isa == "baseline":  # it has no fused multiply-add: what a square lost is not known
        units *= 6
    assert float((np.abs(found - wanted) / spacing).max()) <= units
