"""The autoencoder and the adversarial pair for digits: short runs learn, each section its own model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

import netruntime as nr
from netruntime.train.run import TrainRequest, prepare
from zoo.examples import EXAMPLES

DATA = EXAMPLES / "data" / "digits.npz"


@pytest.fixture(scope="module", autouse=True)
def experiments() -> Iterator[None]:
    """examples/experiments on the path."""
    sys.path.insert(0, str(EXAMPLES / "experiments"))
    yield
    sys.path.remove(str(EXAMPLES / "experiments"))


@pytest.fixture(scope="module")
def vae() -> ModuleType:
    import vae

    return vae


@pytest.fixture(scope="module")
def gan() -> ModuleType:
    import gan

    return gan


def test_the_bound_rises_on_digits_held_out(vae: ModuleType) -> None:
    result = vae.learn(0, 12)
    bounds = [event.valid[""]["bound"] for event in result.trained.history]
    assert bounds[0] < -250
    assert bounds[-1] > -125
    last = result.last
    assert last["bound"] == pytest.approx(last["log_likelihood"] - last["divergence"], abs=1e-3)


def test_the_parts_held_out_are_those_of_the_run(vae: ModuleType, gan: ModuleType) -> None:
    for source in ("digits_vae.net", "digits_gan.net"):
        run = prepare(TrainRequest(EXAMPLES / source, DATA, holdout=0.2, settings={"seed": 4}))
        train, held = (part.rows(np.arange(5))["image"] for part in (run.train, run.valid))
        known, unseen = (part["image"][:5] for part in gan.digits(4))
        np.testing.assert_allclose(np.asarray(train).reshape(5, 64), known.reshape(5, 64), atol=1e-6)
        np.testing.assert_allclose(np.asarray(held).reshape(5, 64), unseen.reshape(5, 64), atol=1e-6)
        counts = vae.counts(4)[1][:5]
        np.testing.assert_array_equal(counts, np.rint(unseen.reshape(5, 64) * 16))


def test_independent_pixels_against_a_count_by_hand(vae: ModuleType) -> None:
    train = np.array([[0, 16], [0, 3], [5, 3]])
    held = np.array([[0, 3]])
    by_hand = np.log((2 + 0.5) / (3 + 17 * 0.5)) + np.log((2 + 0.5) / (3 + 17 * 0.5))
    assert vae.independent_pixels(train, held) == pytest.approx(by_hand)


def test_losses_stay_in_their_bands_and_samples_come_near_the_digits(gan: ModuleType) -> None:
    trained = nr.fit(gan.SOURCE, DATA, epochs=12)
    for phase, (low, high) in gan.BANDS.items():
        losses = [event.train[phase]["loss"] for event in trained.history[6:]]
        assert low < min(losses) <= max(losses) < high, phase
    z = np.random.default_rng(0).standard_normal((500, 32), np.float32)
    real = np.load(DATA)["image"].mean(0) / 255
    fresh = nr.load(gan.SOURCE, model="Generator")
    errors = [np.abs(net(z=z).mean((0, 1)) - real).mean() for net in (fresh, trained.network("Generator"))]
    assert errors[0] > 0.2
    assert errors[1] < 0.1


def test_each_section_changes_its_own_model_only(gan: ModuleType) -> None:
    run = prepare(TrainRequest(gan.SOURCE, DATA))
    for phase in run.trainer.phases:
        own = phase.name.capitalize()
        assert phase.loss_graph.trained
        assert all(label.startswith(f"{own}.") for label in phase.loss_graph.trained)


def test_a_judge_counts_and_measures(gan: ModuleType) -> None:
    known = np.zeros((3, 1, 8, 8), np.float32)
    images = np.zeros((2, 1, 8, 8), np.float32)
    images[1, 0, 0, :4] = 1
    scores = np.zeros((2, 10))
    scores[0, 7], scores[1, 2] = 9, 1
    verdict = gan.judged(lambda image: scores, images, known)
    assert verdict.sure == 0.5
    assert verdict.counts == (0, 0, 1, 0, 0, 0, 0, 1, 0, 0)
    assert verdict.nearest == pytest.approx((0 + 2) / 2)


@pytest.mark.slow
def test_the_recorded_bound(vae: ModuleType) -> None:
    assert all(vae.learn(seed, None).last["bound"] > -97 for seed in (0, 1))


@pytest.mark.slow
def test_the_recorded_bands_and_samples(gan: ModuleType) -> None:
    result = gan.learn(0, None)
    assert result.in_bands
    assert result.verdict.sure > 0.6
    assert min(result.verdict.counts) > 40
