"""Initialisers against the variances of their papers, PyTorch's bounds, and what a seed promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netdsl.checker.evaluate.inits import INITIALISERS
from netdsl.dims import dim
from netdsl.model import Init
from netdsl.types import DType, TensorType
from netruntime.engine.initial import fans, initial_value

MATRIX = (300, 200)
CONV = (80, 50, 3, 3)
"""300 inputs and 200 outputs; 50 inputs and 80 outputs through a window of 9."""


def draw(
    kind: str, shape: tuple[int, ...], *args: float, path: str = "w", seed: int = 0, dtype: str = "f32"
) -> Any:
    type_ = TensorType(DType(dtype), tuple(dim(n) for n in shape))
    return initial_value(path, Init(kind, args), type_, seed)


def test_fans_are_inputs_and_outputs_through_the_window() -> None:
    assert fans(MATRIX) == (300, 200)
    assert fans(CONV) == (50 * 9, 80 * 9)
    assert fans((7,)) == (7, 7) and fans(()) == (1, 1)


def test_fans_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    theirs = torch.nn.init._calculate_fan_in_and_fan_out
    assert fans(CONV) == theirs(torch.empty(CONV))
    assert fans(MATRIX) == theirs(torch.empty(MATRIX[::-1]))  # a matrix of PyTorch is [out, in]


VARIANCES = [
    ("glorot", "uniform", MATRIX, 2 / 500),
    ("glorot", "uniform", CONV, 2 / (130 * 9)),
    ("glorot_normal", "normal", MATRIX, 2 / 500),
    ("glorot_normal", "normal", CONV, 2 / (130 * 9)),
    ("he", "uniform", MATRIX, 2 / 300),
    ("he", "uniform", CONV, 2 / 450),
    ("he_normal", "normal", MATRIX, 2 / 300),
    ("he_normal", "normal", CONV, 2 / 450),
    ("lecun", "normal", MATRIX, 1 / 300),
    ("lecun", "normal", CONV, 1 / 450),
]
"""Glorot and Bengio 2010, equation 12; He et al. 2015, equation 10; LeCun et al. 1998, section 4.6."""


@pytest.mark.parametrize(("kind", "form", "shape", "variance"), VARIANCES)
def test_variances(kind: str, form: str, shape: tuple[int, ...], variance: float) -> None:
    values = np.concatenate([draw(kind, shape, seed=seed).reshape(-1) for seed in range(5)]).astype(float)
    error = 4 / math.sqrt(values.size)
    assert values.mean() == pytest.approx(0, abs=error * math.sqrt(variance))
    assert values.var() == pytest.approx(variance, rel=2 * error)
    kurtosis = np.mean(values**4) / values.var() ** 2
    assert kurtosis == pytest.approx(3.0 if form == "normal" else 1.8, rel=0.05)
    if form == "uniform":
        assert math.sqrt(3 * variance) * 0.999 < np.abs(values).max() <= math.sqrt(3 * variance) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "arguments"),
    [
        ("glorot", "xavier_uniform_", {}),
        ("glorot_normal", "xavier_normal_", {}),
        ("he", "kaiming_uniform_", {"nonlinearity": "relu"}),
        ("he_normal", "kaiming_normal_", {"nonlinearity": "relu"}),
        ("lecun", "kaiming_normal_", {"nonlinearity": "linear"}),
    ],
)
def test_deviations_are_those_of_torch(ours: str, theirs: str, arguments: dict[str, str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    torch.manual_seed(0)
    expected = getattr(torch.nn.init, theirs)(torch.empty(CONV), **arguments).numpy()
    found = draw(ours, CONV)
    assert found.std() == pytest.approx(expected.std(), rel=0.03)
    if "uniform" in theirs:
        assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=1e-3)


@pytest.mark.parametrize(
    ("args", "mean", "std"), [((), 0.0, 1.0), ((0.02,), 0.0, 0.02), ((3.0, 0.5), 3.0, 0.5)]
)
def test_normal_and_truncated_normal(args: tuple[float, ...], mean: float, std: float) -> None:
    plain, cut = (draw(kind, (400, 500), *args).astype(float) for kind in ("normal", "truncated_normal"))
    assert plain.mean() == pytest.approx(mean, abs=0.01 * std) and plain.std() == pytest.approx(std, rel=0.01)
    # A normal distribution cut at two deviations: 1 - 4 φ(2) / (2 Φ(2) - 1) of the variance is left.
    left = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
    assert left == pytest.approx(0.7737, abs=1e-4)
    assert cut.mean() == pytest.approx(mean, abs=0.01 * std)
    assert cut.var() == pytest.approx(left * std**2, rel=0.01)
    assert 1.99 * std < np.abs(cut - mean).max() <= 2 * std * (1 + 1e-5)


@pytest.mark.parametrize(("args", "low", "high"), [((), -1, 1), ((0.25,), -0.25, 0.25), ((2.0, 3.0), 2, 3)])
def test_uniform(args: tuple[float, ...], low: float, high: float) -> None:
    values = draw("uniform", (300, 300), *args).astype(float)
    assert low <= values.min() < values.max() <= high
    assert values.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
    assert values.var() == pytest.approx((high - low) ** 2 / 12, rel=0.02)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (5, 3, 2, 2), (16, 3, 2, 2)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape: tuple[int, ...], gain: float) -> None:
    values = draw("orthogonal", shape, gain, dtype="f64").reshape(shape[0], -1)
    np.testing.assert_allclose(np.linalg.svd(values, compute_uv=False), gain, rtol=1e-12)


def test_orthogonal_matrices_are_spread_evenly() -> None:
    firsts = np.array([draw("orthogonal", (3, 3), seed=seed)[0, 0] for seed in range(400)])
    assert abs(firsts.mean()) < 0.1 and firsts.var() == pytest.approx(1 / 3, rel=0.2)


def test_fixed_values() -> None:
    np.testing.assert_array_equal(draw("constant", (2, 3), 0.1), np.full((2, 3), 0.1, np.float32))
    np.testing.assert_array_equal(draw("zeros", (4,)), np.zeros(4))
    np.testing.assert_array_equal(draw("ones", ()), 1)
    np.testing.assert_array_equal(draw("identity", (2, 3)), np.eye(2, 3))
    np.testing.assert_array_equal(draw("identity", (2, 2, 3))[:, :, 0], np.eye(2))


ARGUMENTS = {"constant": (0.5,)}
DRAWN = sorted(set(INITIALISERS) - {"zeros", "ones", "constant", "identity"})


@pytest.mark.parametrize("kind", DRAWN)
def test_values_depend_on_seed_and_path_alone(kind: str) -> None:
    first = draw(kind, (5, 4), path="a.w", seed=3)
    np.testing.assert_array_equal(first, draw(kind, (5, 4), path="a.w", seed=3))
    assert (first != draw(kind, (5, 4), path="a.w", seed=4)).any()
    assert (first != draw(kind, (5, 4), path="b.w", seed=3)).any()


SHAPES: list[tuple[int, ...]] = [(), (0,), (3,), (0, 4), (1, 1), (2, 0, 3, 3)]
"""`identity` is for two axes and more; the checker refuses it for fewer."""


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(kind, shape) for kind in INITIALISERS for shape in SHAPES if kind != "identity" or len(shape) > 1],
)
@pytest.mark.parametrize("dtype", ["f16", "f32", "f64"])
def test_every_shape_and_type(kind: str, shape: tuple[int, ...], dtype: str) -> None:
    values = draw(kind, shape, *ARGUMENTS.get(kind, ()), dtype=dtype)
    assert values.shape == shape and values.dtype.itemsize == int(dtype[1:]) // 8
    assert np.isfinite(values).all()
