"""Convolutions to small images: the same bits as row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import run_natively
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.activations import Relu
from netdsl.ops.elementwise.smooth_activations import Tanh
from netruntime.native.fused import Fused
from netruntime.native.lowering import products

Array = np.ndarray[Any, Any]


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CASES = [
    # batch, channels, height, width, outputs, window, stride, padding
    (2, 70, 7, 7, 40, (3, 3), (1,), (1,)),
    (1, 400, 7, 7, 33, (1, 1), (1,), (0,)),
    (3, 64, 14, 13, 48, (1, 1), (2,), (0,)),
    (1, 20, 9, 21, 130, (3, 5), (1, 2), (1,)),
    (2, 32, 1, 1, 150, (3, 3), (1,), (1,)),
    (1, 9, 3, 2, 17, (2, 2), (1,), (0,)),
]


@pytest.mark.parametrize("activation", [None, Relu(), Tanh()], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_row_by_row(case: tuple[Any, ...], activation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, channels, height, width, outputs, window, stride, pad = case
    op = Fused(Conv(stride, pad), activation)
    x, weight = floats(batch, channels, height, width), floats(outputs, channels, *window, seed=1)
    weight /= np.float32(weight[0].size ** 0.5)
    arrays = [x, weight, floats(outputs, seed=2)]
    shape = op.forward(np, *arrays).shape
    for given in (arrays, [*arrays, floats(*shape, seed=3)]):
        monkeypatch.setattr(products, "SMALL", 10)
        (found,) = run_natively(op, given, (1, 2), threads=2)
        wanted = op.forward(np, *given)
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=3e-6 * np.abs(wanted).max())
        monkeypatch.setattr(products, "SMALL", 0)
        (rows,) = run_natively(op, given, (1, 2))
        np.testing.assert_array_equal(found.view(np.int32), rows.view(np.int32))
