"""The numbers of activations in records."""

from __future__ import annotations

from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.activations import Relu
from netdsl.ops.elementwise.smooth_activations import Sigmoid, Silu, Tanh

KINDS: dict[type[Op], int] = {Relu: 1, Tanh: 2, Sigmoid: 3, Silu: 4}
"""As in activations.h; 0 is none."""


def kind_of(op: Op | None) -> int:
    """The number of an activation that `is_native`; 0 for None."""
    return 0 if op is None else KINDS[type(op)]


def is_native(op: Op) -> bool:
    return type(op) in KINDS
