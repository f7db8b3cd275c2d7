"""Updates of weights by the native engine have the bits of those by NumPy, for any threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import library
from netruntime.train.update.groups import resolve_groups
from netruntime.train.update.native_update import NativeUpdates
from netruntime.train.update.optimizer_state import OptimizerState
from netruntime.train.update.optimizers import SGD, Adam, AdamW, Optimizer

Array = np.ndarray[Any, Any]
SHAPES = {"one": (1,), "odd": (3, 7, 5), "long": (40_000,), "none": (0, 3)}
STEPS = 50


def trained(optimizer: Optimizer, threads: int | None) -> dict[str, Array]:
    """The weights and the state after some steps; by NumPy if `threads` is None."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    state = OptimizerState.init(np, optimizer, weights)
    rates = resolve_groups(optimizer, [], weights)
    for step in range(STEPS):
        gradients = {
            name: rng.normal(size=shape, scale=10.0 ** -(step % 4)).astype(np.float32)
            for name, shape in SHAPES.items()
        }
        native = None if threads is None else NativeUpdates(library(), lambda: threads or 1)
        state.apply_gradients(np, optimizer, weights, gradients, rates, 1 / (1 + step), native=native)
        assert native is None or len(native.records) == 3
    return {**weights, **state.to_arrays()}


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(lr=0.1),
        SGD(lr=0.1, momentum=0.9, weight_decay=0.01),
        SGD(lr=0.1, momentum=0.8, nesterov=True),
        Adam(lr=0.01),
        Adam(lr=0.01, weight_decay=0.1),
        AdamW(lr=0.02, weight_decay=0.3),
        AdamW(lr=1.0, weight_decay=1.0),
    ],
    ids=str,
)
def test_the_same_bits_as_numpy(optimizer: Optimizer) -> None:
    wanted = trained(optimizer, None)
    for threads in (1, 2):
        for name, array in trained(optimizer, threads).items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=name)
