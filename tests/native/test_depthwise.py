"""Depthwise convolutions: as NumPy, alone and with what follows them, and with the same bits for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from native.running import check, floats, run_natively, step_of
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.activations import Relu
from netdsl.ops.elementwise.smooth_activations import Silu
from netruntime.native import accepts
from netruntime.native.fused import Fused

CASES = [
    # batch, channels, height, width, window, stride, padding, dilation
    (1, 2, 5, 5, (3, 3), (1,), (1,), (1,)),
    (2, 16, 9, 30, (3, 3), (1,), (1,), (1,)),
    (1, 17, 8, 7, (3, 3), (2,), (1,), (1,)),
    (3, 40, 14, 14, (7, 7), (1,), (3,), (1,)),
    (1, 24, 12, 11, (5, 3), (2, 1), (2, 1), (1,)),
    (1, 20, 13, 9, (3, 3), (1,), (2,), (2,)),
    (2, 33, 4, 4, (4, 4), (1,), (0,), (1,)),
    (1, 5, 6, 6, (1, 1), (1,), (0,), (1,)),
    (1, 18, 10, 10, (3, 3), (2,), "same", (1,)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_numpy(case: tuple[Any, ...]) -> None:
    batch, channels, height, width, window, stride, pad, dilation = case
    conv = Conv(stride, pad, dilation, channels)
    x, w, bias = (
        floats(batch, channels, height, width),
        floats(channels, 1, *window, seed=1),
        floats(channels),
    )
    check(conv, x, w, None)
    check(conv, x, w, bias)
    shape = conv.forward(np, x, w, bias).shape
    for activation in (None, Relu(), Silu()):
        check(Fused(conv, activation), x, w, bias)
        check(Fused(conv, activation), x, w, bias, floats(*shape, seed=3))


def test_what_is_not_finite() -> None:
    x, w = floats(1, 16, 6, 20), floats(16, 1, 3, 3, seed=1)
    x[0, 3, 2, 5], x[0, 4, 4, 9], x[0, 5, 1, 1] = np.nan, np.inf, 1e-41
    check(Conv((1,), (1,), (1,), 16), x, w, None)


def test_an_image_alone_and_in_a_batch_has_the_same_bits() -> None:
    op = Fused(Conv((1,), (1,), (1,), 24), Silu())
    x, w, bias = floats(5, 24, 9, 13), floats(24, 1, 3, 3, seed=1), floats(24, seed=2)
    (together,) = run_natively(op, [x, w, bias], (1, 2), threads=3)
    for row in range(5):
        (alone,) = run_natively(op, [x[row : row + 1], w, bias], (1, 2))
        np.testing.assert_array_equal(alone.view(np.int32), together[row : row + 1].view(np.int32))


def test_other_groups_run_on_numpy() -> None:
    x, w = floats(1, 8, 5, 5), floats(8, 2, 3, 3, seed=1)
    assert not accepts(step_of(Conv((1,), (1,), (1,), 4), [x, w, None], [1])[0])
    several = floats(16, 1, 3, 3, seed=1)  # two windows for each channel
    assert not accepts(step_of(Conv((1,), (1,), (1,), 8), [x, several, None], [1])[0])
