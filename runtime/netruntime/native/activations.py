"""Functions of one element in records: their numbers, which the library names, and their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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
from netruntime.native.library import load_library

FUNCTIONS: tuple[type[Op], ...] = (
    *(Relu, Tanh, Sigmoid, Silu, Gelu, Softplus, Mish, LeakyRelu, Elu, Celu, Selu),
    *(HardSigmoid, HardSwish, Softsign, Erf, Exp, Expm1, Log, Log1p, Sqrt, Reciprocal, Square),
    *(Negate, Abs, Clip),
)
"""The operators that names.h lists too, by the same names."""

PARAMETERS: dict[type[Op], Callable[[Any], tuple[float, ...]]] = {
    LeakyRelu: lambda op: (op.slope,),
    Elu: lambda op: (op.alpha,),
    Celu: lambda op: (op.alpha,),
    HardSigmoid: lambda op: (op.alpha, op.beta),
    Clip: lambda op: (
        float("-inf") if op.low is None else op.low,
        float("inf") if op.high is None else op.high,
    ),
}


def is_native(op: Op) -> bool:
    return type(op) in FUNCTIONS


def function_of(op: Op | None) -> list[int]:
    """The three numbers of a function that `is_native`: which one, and its parameters; for None, of none."""
    library = load_library()
    assert library is not None
    parameters = () if op is None or type(op) not in PARAMETERS else PARAMETERS[type(op)](op)
    a, b, *_ = (*parameters, 0.0, 0.0)
    return [library.functions[_name(op)], bits_of(a), bits_of(b)]


def bits_of(x: float) -> int:
    """The bits of a number as f32."""
    with np.errstate(
        over="ignore"
    ):  # a number beyond f32 is infinite, as in an operation with an array of f32
        return int(np.array(x, np.float32).view(np.int32))


def _name(op: Op | None) -> str:
    if op is None:
        return "none"
    return "gelu_tanh" if isinstance(op, Gelu) and op.approximate == "tanh" else type(op).name
