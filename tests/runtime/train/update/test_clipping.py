"""Clipping of gradients: by norm, by value, per group; norms without overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netdsl.model import Call
from netdsl.source import Source, Span
from netruntime.errors import TrainingError
from netruntime.train.update.array_blocks import norm
from netruntime.train.update.clipping import Norms, clip, make_clip, make_clips

SPAN = Span(Source("net.net", "clip"), 0, 4)


def some(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"a.w": (3, 4), "a.b": (4,), "b.w": (4, 2), "scale": ()}
    return {label: np.asarray(rng.normal(size=shape)) for label, shape in shapes.items()}


def whole_norm(gradients: dict[str, Any]) -> float:
    return math.hypot(*np.concatenate([g.reshape(-1) for g in gradients.values()]))


@pytest.mark.parametrize("limit", [0.5, 1.0, 100.0])
def test_by_norm_is_the_formula_of_torch(limit: float, xp: Any) -> None:
    before = some()
    gradients = {label: xp.array(g) for label, g in before.items()}
    norms = clip(xp, gradients, [make_clip("norm", {"limit": limit})])
    total = whole_norm(before)
    assert norms == Norms(pytest.approx(total, rel=1e-14), {})
    scale = min(1.0, limit / (total + 1e-6))
    for label, gradient in gradients.items():
        host = gradient if xp is np else gradient.get()
        np.testing.assert_allclose(host, before[label] * scale, rtol=1e-14)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    gradients = some(3)
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients.values()]
    for weight, gradient in zip(theirs, gradients.values(), strict=True):
        weight.grad = torch.tensor(gradient)
    total = torch.nn.utils.clip_grad_norm_(theirs, 0.7)
    torch.nn.utils.clip_grad_value_(theirs, 0.1)
    norms = clip(np, gradients, [make_clip("norm", {"limit": 0.7}), make_clip("value", {"limit": 0.1})])
    assert norms.total == pytest.approx(float(total), rel=1e-14)
    for weight, gradient in zip(theirs, gradients.values(), strict=True):
        np.testing.assert_allclose(gradient, weight.grad.numpy(), rtol=1e-13)


def test_by_value() -> None:
    before, gradients = some(), some()
    clip(np, gradients, [make_clip("value", {"limit": 0.3})])
    for label, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, np.clip(before[label], -0.3, 0.3))


def test_groups_are_bounded_each_by_itself() -> None:
    before, gradients = some(), some()
    calls = [Call("norm", {"limit": 0.5}, SPAN, ("a.*",)), Call("value", {"limit": 0.1}, SPAN, ("b.w",))]
    groups = {"a.*": ["a.w", "a.b"], "rest": ["b.w", "scale"]}
    norms = clip(np, gradients, make_clips(calls, list(before)), groups)
    own = whole_norm({label: before[label] for label in groups["a.*"]})
    assert norms.groups["a.*"] == pytest.approx(own) and norms.total == pytest.approx(whole_norm(before))
    assert whole_norm({label: gradients[label] for label in groups["a.*"]}) == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_array_equal(gradients["b.w"], np.clip(before["b.w"], -0.1, 0.1))
    np.testing.assert_array_equal(gradients["scale"], before["scale"])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_not_finite_are_reported_and_left(bad: float) -> None:
    gradients = some()
    gradients["a.b"][1] = bad
    before = {label: g.copy() for label, g in gradients.items()}
    norms = clip(np, gradients, [make_clip("norm", {}), make_clip("value", {})])
    assert not norms.finite and (math.isnan(norms.total) if math.isnan(bad) else norms.total == math.inf)
    for label, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, before[label])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(3e38, np.float32), (1e-40, np.float32), (60000, np.float16), (1e300, np.float64), (1e-310, np.float64)],
)
def test_norms_neither_overflow_nor_vanish(value: float, dtype: Any) -> None:
    array = np.full((2, 8), value, dtype)
    expected = math.hypot(*array.reshape(-1).astype(float))
    assert norm(np, [array]) == pytest.approx(expected, rel=1e-9)
    gradients = {"w": array.astype(np.float64)}
    assert clip(np, gradients, [make_clip("norm", {"limit": 1.0})]).total == pytest.approx(expected, rel=1e-9)
    assert norm(np, gradients.values()) == pytest.approx(min(1.0, expected), rel=1e-5)


def test_norms_of_any_layout() -> None:
    rng = np.random.default_rng(1)
    array = rng.normal(size=(300, 200))
    expected = np.linalg.norm(array)
    for layout in (array, array.T, np.asfortranarray(array), array[::-1]):
        assert norm(np, [layout]) == pytest.approx(expected, rel=1e-13)
    assert norm(np, [np.broadcast_to(2.0, (3, 3))]) == pytest.approx(6.0)


def test_nothing_to_clip() -> None:
    assert clip(np, {}, [make_clip("norm", {})]).total == 0.0
    zeros = {"w": np.zeros((0, 3)), "v": np.zeros(2)}
    assert clip(np, zeros, [make_clip("norm", {}), make_clip("value", {})]).total == 0.0


@pytest.mark.parametrize(
    ("name", "arguments", "code", "message"),
    [
        ("norm", {"limit": 0.0}, "E1080", "`norm`: limit is 0, but must be above 0"),
        ("norm", {"labels": 1.0}, "E1081", "`norm` has no argument `labels`"),
        ("nrom", {}, "E1081", "`nrom` is not a clip"),
    ],
)
def test_wrong_arguments(name: str, arguments: dict[str, float], code: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make_clips([Call(name, arguments, SPAN)], [])
    found = caught.value.diagnostics[0]
    assert (found.code, found.message, found.span) == (code, message, SPAN)


def test_a_clip_of_weights_that_are_not_there() -> None:
    with pytest.raises(TrainingError, match="matches no weight"):
        make_clips([Call("norm", {}, SPAN, ("c.*",))], ["a.w", "b.w"])
