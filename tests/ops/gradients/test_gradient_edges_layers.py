"""Gradients of layers at ties, at zeros, and where masks hide whole rows, as PyTorch gives them.

The numbers of PyTorch are recorded in `tests/data/gradient_edges_layers.json`; where PyTorch is installed,
they are made again, and `NETDSL_UPDATE=1` writes them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.contract.base import DataError, Op
from netdsl.ops.conv.conv import Conv
from netdsl.ops.norm.batch_norm_training import BatchNormTraining
from netdsl.ops.norm.group_norm import GroupNorm
from netdsl.ops.norm.norm import LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize
from netdsl.ops.pool.adaptive_pool import AdaptiveMaxPool
from netdsl.ops.pool.global_pool import GlobalMaxPool
from netdsl.ops.pool.pool import AvgPool, LpPool, MaxPool
from ops.gradients.finite_differences import EagerTape, as_tuple, forward, value
from ops.gradients.test_gradient_edges import Case, theirs, weights

GOLDEN = Path(__file__).parents[2] / "data" / "gradient_edges_layers.json"
INF, NAN = np.inf, np.nan
RELU = np.maximum(np.sin(np.arange(60.0) * 2.0), 0).reshape(1, 2, 5, 6)
"""What pools see behind a rectifier: many windows in which several elements are 0."""
LEVELS = np.floor(np.sin(np.arange(60.0)) * 2).reshape(1, 2, 5, 6)
ROWS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -INF], [700.0, -700.0, 0.0]])
FLAT = np.array([[2.0, 2.0, 2.0], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
HEADS = np.sin(np.arange(24.0)).reshape(1, 2, 3, 4)


def cases(torch: Any) -> dict[str, Case]:
    """Each case: the operator, its inputs, and the same in PyTorch, which may be None."""
    f = None if torch is None else torch.nn.functional
    pools: dict[str, Case] = {
        "max_pool of zeros": (MaxPool((2,)), (RELU,), lambda x: f.max_pool2d(x, 2)),
        "max_pool of levels": (MaxPool((3,), (1,), (1,)), (LEVELS,), lambda x: f.max_pool2d(x, 3, 1, 1)),
        "max_pool that skips": (MaxPool((2, 1), (2, 2)), (LEVELS,), lambda x: f.max_pool2d(x, (2, 1), 2)),
        "max_pool of everything": (MaxPool((5, 6)), (LEVELS,), lambda x: f.max_pool2d(x, (5, 6))),
        "adaptive_max_pool": (AdaptiveMaxPool((2, 4)), (LEVELS,), lambda x: f.adaptive_max_pool2d(x, (2, 4))),
        "global_max_pool": (GlobalMaxPool(), (LEVELS,), lambda x: torch.amax(x, (2, 3))),
        "avg_pool": (
            AvgPool((3,), (2,), (1,), ceil_mode=True, count_pad=True),
            (LEVELS,),
            lambda x: f.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        ),
    }
    rows: dict[str, Case] = {
        "softmax": (Softmax(), (ROWS,), lambda x: torch.softmax(x, -1)),
        "log_softmax": (LogSoftmax(), (ROWS,), lambda x: torch.log_softmax(x, -1)),
        "layer_norm of equal numbers": (LayerNorm(), (FLAT,), lambda x: f.layer_norm(x, (3,))),
        "group_norm of equal numbers": (GroupNorm(1), (FLAT,), lambda x: f.group_norm(x, 1)),
        "l2_normalize of zeros": (L2Normalize(eps=0.5), (FLAT,), lambda x: f.normalize(x, dim=-1, eps=0.5)),
        "causal attention": (
            Attention(causal=True),
            (HEADS, HEADS[:, :1] + 1, HEADS[:, 1:] * 2),
            lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
        ),
        "conv that skips elements": (
            Conv((3,), (0,)),
            (LEVELS, np.cos(np.arange(16.0)).reshape(2, 2, 2, 2)),
            lambda x, w: f.conv2d(x, w, stride=3),
        ),
    }
    return {**pools, **rows}


def flowing(op: Op, dy: Any, *arrays: Any) -> list[Any]:
    """The gradients for a given `dy`, None where nothing flows."""
    tape = EagerTape()
    (y,) = forward(op, arrays)
    xs = [None if a is None else value(a, tape) for a in arrays]
    xs += [None] * (len(op.inputs) - len(xs))
    found = as_tuple(op.gradient(value(dy, tape), value(y, tape), *xs))
    return [None if f is None else f.ref for f in found]


@pytest.mark.parametrize("name", cases(None))
def test_agrees_with_recorded_numbers(name: str) -> None:
    op, arrays, _ = cases(None)[name]
    recorded = json.loads(GOLDEN.read_text("utf-8"))[name]
    (y,) = forward(op, arrays)
    found = [gradient for gradient in flowing(op, weights(y), *arrays) if gradient is not None]
    for mine, wanted in zip(found, recorded, strict=True):
        np.testing.assert_allclose(mine, np.array(wanted), rtol=1e-9, atol=1e-12)


def test_recorded_numbers_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    made = {
        name: [g.tolist() for g in theirs(torch, function, arrays)]
        for name, (_, arrays, function) in cases(torch).items()
    }
    if os.environ.get("NETDSL_UPDATE"):
        GOLDEN.write_text(json.dumps(made) + "\n", "utf-8")
    recorded = json.loads(GOLDEN.read_text("utf-8"))
    assert set(recorded) == set(made)
    for name, gradients in made.items():
        for now, then in zip(gradients, recorded[name], strict=True):
            np.testing.assert_allclose(now, then, rtol=1e-9, atol=1e-12, err_msg=name)


# -- what PyTorch has no operator for ------------------------------------------------------------


@pytest.mark.parametrize("op", [Softmax(), LogSoftmax()])
def test_nothing_flows_into_hidden_positions(op: Op) -> None:
    """Nor from them, whatever `dy` they have: they are constants. A row that is hidden whole gives 0."""
    keep = np.array([[True, True, False], [False, False, False], [True, False, True]])
    x = np.array([[1.0, 2.0, NAN], [INF, NAN, 0.0], [0.5, -INF, 1.0]])
    dy = np.array([[1.0, -2.0, INF], [NAN, -INF, 1.0], [3.0, NAN, 1.0]])
    dx, _ = flowing(op, dy, x, keep)
    assert (dx[~keep] == 0).all()
    rows = {0: [0, 1], 2: [0, 2]}
    for row, kept in rows.items():
        alone, _ = flowing(op, dy[row : row + 1, kept], x[row : row + 1, kept], None)
        np.testing.assert_allclose(dx[row, kept], alone[0], rtol=1e-12)


def test_a_query_without_keys_gets_no_gradient() -> None:
    keep = np.array([[True, False, True], [False, False, False], [True, True, True]])
    q, k, v = HEADS, HEADS + 1, HEADS * 2
    dq, dk, dv, _, _ = flowing(Attention(), np.ones_like(q), q, k, v, keep, None)
    assert (dq[:, :, 1] == 0).all()
    without = [np.delete(a, 1, axis=2) for a in (q, np.ones_like(q))]
    again = flowing(Attention(), without[1], without[0], k, v, np.delete(keep, 1, axis=0), None)
    np.testing.assert_allclose(dk, again[1], rtol=1e-12)
    np.testing.assert_allclose(dv, again[2], rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_the_norm_of_zeros_has_slope_0(p: float) -> None:
    x = np.array([[[0.0, 0.0, 3.0, -4.0, 0.0, 2.0]]])
    (dx,) = flowing(LpPool((2,), p=p), np.ones((1, 1, 3)), x)
    assert np.isfinite(dx).all() and (dx[x == 0] == 0).all()
    assert (np.sign(dx) == np.sign(x)).all()


def test_the_largest_of_values_that_are_not_numbers_still_gets_a_gradient() -> None:
    x = np.array([[[1.0, NAN, 2.0, 3.0]]])
    (dx,) = flowing(MaxPool((2,)), np.ones((1, 1, 2)), x)
    np.testing.assert_array_equal(dx.sum(), 2.0)
    np.testing.assert_array_equal(dx[0, 0, 2:], [0.0, 1.0])


def test_one_value_for_a_channel_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 values in each channel"):
        forward(BatchNormTraining(), (np.array([[3.0, -2.0]]),))
