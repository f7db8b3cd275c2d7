"""Training by the native engine: losses, gradients and buffers close to NumPy's, the same for any threads."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from native.running import library
from netdsl.checker import check
from netdsl.model import Output
from netruntime.engine.backends import open_device
from netruntime.engine.backends.device import DeviceChoice
from netruntime.engine.loading import open_module
from netruntime.engine.steps import PlanStep
from netruntime.native.options import EngineName, EngineOptions
from netruntime.native.run import NativeRun
from netruntime.train.initial_weights import first_weights
from netruntime.train.phase import trainable
from netruntime.train.step import LossGraph, Outcome
from zoo.small import CASES

Array = np.ndarray[Any, Any]
BY_NAME = {f"{case.file}-{case.model}": case for case in CASES}


@cache
def phase_of(name: str, dtype: str = "f32") -> Any:
    case = BY_NAME[name]
    module = open_module(case.training_text("  optimizer = adam(1e-4)", dtype))
    return check(module, case.config, training=True).phases[0]


def graph_of(name: str, engine: EngineName, threads: int, dtype: str = "f32") -> LossGraph:
    device = open_device(DeviceChoice("cpu", EngineOptions(engine, threads)))
    phase = phase_of(name, dtype)
    return LossGraph(phase, device, trainable(phase))


@cache
def outcome(name: str, engine: EngineName, threads: int = 2, dtype: str = "f32") -> Outcome:
    """The outcome of one batch; in f64, of the same numbers."""
    weights: dict[str, Array] = first_weights([phase_of(name)], 0).arrays
    batch: dict[str, Array] = BY_NAME[name].batch()
    if dtype == "f64":
        weights, batch = ({key: widened(a) for key, a in arrays.items()} for arrays in (weights, batch))
    return graph_of(name, engine, threads, dtype).compute(batch, weights, 5)


def widened(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def size(array: Array) -> float:
    return float(np.abs(array).max(initial=0))


def error(found: Array, exact: Array) -> float:
    return size(found - exact)


@pytest.mark.parametrize("name", BY_NAME)
def test_gradients_as_close_to_f64_as_those_by_numpy(name: str) -> None:
    library()
    found, numpy = outcome(name, "native"), outcome(name, "numpy")
    draws = name == "vae-VAE"  # other numbers in f64
    exact = numpy if draws else outcome(name, "numpy", 1, "f64")
    np.testing.assert_allclose(found.loss, exact.loss, rtol=1e-5)
    assert found.gradients.keys() == exact.gradients.keys()
    for own, other, right in (
        (found.gradients, numpy.gradients, exact.gradients),
        (found.updates, numpy.updates, exact.updates),
    ):
        largest = max((size(array) for array in right.values()), default=0.0)
        for label, array in right.items():
            allowed = 3 * error(other[label], array) + 5e-6 * size(array)
            if size(array) < 1e-12 * largest:  # a key's bias changes no softmax: only rounding is left
                allowed = 1e-6 * largest
            assert error(own[label], array) <= allowed, label


@pytest.mark.parametrize("name", BY_NAME)
def test_the_same_bits_for_any_threads(name: str) -> None:
    library()
    one, two = outcome(name, "native", 1), outcome(name, "native", 2)
    assert one.loss == two.loss
    for label, array in one.gradients.items():
        np.testing.assert_array_equal(array, two.gradients[label], err_msg=label)


@pytest.mark.parametrize("name", ["mlp-Perceptron", "resnet18-ResNet18", "self_attention-SelfAttention"])
def test_a_step_is_one_native_run(name: str) -> None:
    """Statistics of batch norms and the loss do not break up what runs natively."""
    library()
    assert [isinstance(step.run, NativeRun) for step in steps_of(name)] == [True]


def test_random_numbers_are_drawn_before_a_native_run() -> None:
    library()
    *others, last = steps_of("vgg16-VGG16")
    assert isinstance(last.run, NativeRun)
    assert {step.op.name for step in others} == {"bernoulli"}


def steps_of(name: str) -> list[PlanStep]:
    """The steps of the plan of a batch, outputs left out."""
    graph = graph_of(name, "native", 1)
    graph.compute(BY_NAME[name].batch(), first_weights([phase_of(name)], 0).arrays, 5)
    (plan,) = graph._plans._plans.values()
    return [step for step in plan.steps if not isinstance(step.op, Output)]
