"""The moving average of weights and the mean of gradients over parts of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.recipes import RecipeError
from netdsl.recipes.runs import AVERAGE_STARTS
from netruntime.errors import TrainingError
from netruntime.train.update.accumulate import GradientSum
from netruntime.train.update.array_blocks import block_size
from netruntime.train.update.average import WeightAverage


def walk(count: int, dtype: Any = np.float64) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"w": rng.normal(size=(3, 2)).astype(dtype), "b": rng.normal(size=2).astype(dtype)}
        for _ in range(count)
    ]


def test_corrected_is_the_weighted_mean_of_what_was_seen() -> None:
    first, *seen = walk(9)
    average = WeightAverage(np, first, 0.8)
    for weights in seen:
        average.include(np, weights)
    shares = np.array([0.8 ** (len(seen) - 1 - n) for n in range(len(seen))])
    for label in first:
        expected = np.average([weights[label] for weights in seen], axis=0, weights=shares)
        np.testing.assert_allclose(average.arrays[label], expected, rtol=1e-12)


def test_the_first_update_is_exact() -> None:
    first, second = walk(2, np.float32)
    average = WeightAverage(np, first, 0.999)
    average.include(np, second)
    np.testing.assert_array_equal(average.arrays["w"], second["w"])


def test_warm_up_follows_the_count_of_updates() -> None:
    first, *seen = walk(60)
    average, expected = WeightAverage(np, first, 0.7, "warmup"), first["w"].copy()
    for n, weights in enumerate(seen, 1):
        average.include(np, weights)
        d = min(0.7, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * weights["w"]
    np.testing.assert_allclose(average.arrays["w"], expected, rtol=1e-12)


def test_from_the_first_values_as_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    module = torch.nn.Linear(3, 2).double()
    theirs = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(module)  # the first call copies
    average = WeightAverage(np, {"w": module.weight.detach().numpy()}, 0.9, "first")
    for weights in walk(20):
        with torch.no_grad():
            module.weight.copy_(torch.tensor(weights["w"].T))
        theirs.update_parameters(module)
        average.include(np, {"w": weights["w"].T})
    np.testing.assert_allclose(average.arrays["w"], theirs.module.weight.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("start", AVERAGE_STARTS)
def test_a_saved_average_goes_on_bit_for_bit(start: Any) -> None:
    first, *seen = walk(12, np.float32)
    whole, average = (WeightAverage(np, first, 0.9, start) for _ in range(2))
    for weights in seen:
        whole.include(np, weights)
    for weights in seen[:5]:
        average.include(np, weights)
    saved = {name: array.copy() for name, array in average.to_arrays().items()}
    resumed = WeightAverage(np, first, 0.9, start)
    resumed.restore(np, saved)
    for weights in seen[5:]:
        resumed.include(np, weights)
    assert resumed.updates == 11
    for label in first:
        np.testing.assert_array_equal(resumed.arrays[label], whole.arrays[label])


def test_the_weights_given_are_not_changed_and_short_floats_are_averaged_in_f32() -> None:
    weights = {"w": np.full(4, 1, np.float16), "big": np.ones(2 * block_size(np) + 3, np.float32)}
    average = WeightAverage(np, weights, 0.999, "first")
    moved = {label: w + w.dtype.type(1) for label, w in weights.items()}
    for _ in range(3):
        average.include(np, moved)
    expected = 2 - 0.999**3
    np.testing.assert_allclose(average.arrays["w"], np.full(4, expected), rtol=1e-6)
    np.testing.assert_allclose(average.arrays["big"], expected, rtol=1e-6)
    assert average.weights(weights)["w"].dtype == np.float16
    assert (weights["w"] == 1).all() and (weights["big"] == 1).all()


def test_counts_are_not_averaged() -> None:
    weights = {"w": np.zeros(2), "count": np.array(3)}
    average = WeightAverage(np, weights, 0.5)
    average.include(np, {"w": np.ones(2), "count": np.array(4)})
    now = {"w": np.ones(2), "count": np.array(9)}
    assert list(average.arrays) == ["w"] and average.weights(now)["count"] == 9


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_out_of_range(decay: float) -> None:
    with pytest.raises(RecipeError, match=r"ema is .*, but must be in \[0, 1\)") as caught:
        WeightAverage(np, {}, decay)
    assert caught.value.code == "E1080"


def test_an_unknown_start() -> None:
    with pytest.raises(RecipeError, match='start is "never", but must be one of corrected, warmup, first'):
        WeightAverage(np, {}, 0.9, "never")  # type: ignore[arg-type]


def test_an_average_of_other_weights() -> None:
    (first,) = walk(1)
    saved = WeightAverage(np, first, 0.9).to_arrays()
    with pytest.raises(TrainingError) as caught:
        WeightAverage(np, {"w": first["w"]}, 0.9).restore(np, saved)
    assert caught.value.code == "E1083"
    with pytest.raises(TrainingError, match=r"`w/average` must be f64\[6\], but is f64\[3, 2\]"):
        WeightAverage(np, {**first, "w": np.zeros(6)}, 0.9).restore(np, saved)


def test_the_sum_of_parts_is_that_of_the_batch() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(10, 4))
    total = GradientSum()
    for part in (x[:4], x[4:8], x[8:]):
        total.add(np, {"w": part.sum(0)})
    assert total.parts == 3
    np.testing.assert_allclose(total.take()["w"], x.sum(0), rtol=1e-12)
    assert total.parts == 0


def test_parts_are_only_read() -> None:
    parts = walk(3, np.float16)
    total = GradientSum()
    for part in parts:
        for gradient in part.values():
            gradient.flags.writeable = False
        total.add(np, part)
    found = total.take()
    assert found["w"].dtype == np.float32
    expected = np.sum([part["w"].astype(np.float64) for part in parts], axis=0)
    np.testing.assert_allclose(found["w"], expected, rtol=1e-6)


def test_after_taking_it_starts_anew() -> None:
    total = GradientSum()
    for value in (1.0, 5.0):
        total.add(np, {"w": np.full((), value)})
        assert total.take()["w"] == value


def test_wrong_parts() -> None:
    total = GradientSum()
    with pytest.raises(ValueError, match="no part of a batch was added"):
        total.take()
    total.add(np, {"w": np.ones(2)})
    with pytest.raises(ValueError, match="gradients of the same weights"):
        total.add(np, {"v": np.ones(2)})
