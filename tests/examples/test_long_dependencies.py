"""Cells on tasks that need a long memory, and gradients through time: short forms of the recorded runs."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from zoo.examples import EXAMPLES

ANSWERING_ONE = 1 / 6
GATED = ("lstm", "gru")


@pytest.fixture(scope="module")
def tasks() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES / "experiments"))
        return importlib.import_module("sequence_tasks")


def held_out(task: str, data: Any, held: Any, cell: str, steps: int, **settings: Any) -> dict[str, float]:
    """The figures on data held out after one pass over the training data."""
    config = {"kind": cell, "horizon": float(steps), **settings.pop("config", {})}
    result = nr.fit(EXAMPLES / f"{task}.net", data, held, config=config, epochs=1, seed=0, **settings)
    return dict(result.history[-1].valid[""])


@pytest.mark.parametrize("cell", ["rnn", *GATED])
def test_gated_cells_add_over_steps_where_the_plain_network_guesses(tasks: ModuleType, cell: str) -> None:
    rng = np.random.default_rng(0)
    data, held = tasks.adding(300 * 32, 40, rng), tasks.adding(300, 40, rng)
    small = {"config": {"hidden": 32}, "train": {"optimizer.lr": "1e-2"}}
    loss = held_out("adding", data, held, cell, 40, **small)["loss"]
    if cell == "rnn":
        assert loss > 0.8 * ANSWERING_ONE
    else:
        assert loss < 0.3 * ANSWERING_ONE


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", *GATED])
def test_adding_over_a_hundred_steps(tasks: ModuleType, cell: str) -> None:
    rng = np.random.default_rng(0)
    data, held = tasks.adding(1200 * 32, 100, rng), tasks.adding(1000, 100, rng)
    loss = held_out("adding", data, held, cell, 100)["loss"]
    assert loss > 0.15 if cell == "rnn" else loss < 0.01


@pytest.mark.slow
def test_a_gru_copies_over_fifty_steps(tasks: ModuleType) -> None:
    rng = np.random.default_rng(0)
    data, held = tasks.copying(2000 * 32, 50, rng), tasks.copying(1000, 50, rng)
    assert held_out("copying", data, held, "gru", 50)["accuracy"] > 0.95


def test_made_data_are_what_the_tasks_say(tasks: ModuleType) -> None:
    added = tasks.adding(200, 30, np.random.default_rng(1))
    marks = added["x"][:, :, 1]
    assert (marks[:, :15].sum(1) == 1).all() and (marks[:, 15:].sum(1) == 1).all()
    np.testing.assert_allclose((added["x"][:, :, 0] * marks).sum(1), added["target"], rtol=1e-6)
    assert np.mean((added["target"] - 1) ** 2) == pytest.approx(ANSWERING_ONE, abs=0.04)
    copied = tasks.copying(3, 7, np.random.default_rng(1))
    np.testing.assert_array_equal(copied["ids"][:, :5], copied["answer"])
    assert (copied["ids"][:, 5:12] == 8).all() and (copied["ids"][:, 12:] == 9).all()


@pytest.mark.parametrize(
    ("config", "low", "high"),
    [
        ({"radius": 0.5}, 0, 1e-25),
        ({"radius": 0.9}, 1e-9, 1e-4),
        ({"radius": 1.0}, 1e-4, 0.1),
        ({"radius": 1.5}, 1e2, 1e6),
        ({"radius": 2.0}, 1e5, 1e11),
        ({"kind": "lstm", "horizon": 1.0}, 0, 1e-18),
        ({"kind": "lstm", "horizon": 100.0}, 1e-4, 0.1),
        ({"kind": "gru", "horizon": 1.0}, 0, 1e-11),
        ({"kind": "gru", "horizon": 100.0}, 1e-4, 0.1),
    ],
)
def test_gradients_vanish_explode_or_arrive(
    tasks: ModuleType, config: dict[str, Any], low: float, high: float
) -> None:
    """How much larger the gradient at the first of 100 steps is than at the last."""
    norms = tasks.gradient_norms(tasks.adding(32, 100, np.random.default_rng(0)), **config)
    assert len(norms) == 100
    assert low < norms[0] / norms[-1] < high


def descend(tasks: ModuleType, radius: float, clip: str) -> list[float]:
    """The losses of 200 updates from a start with these eigenvalues; raises where they end at infinity."""
    losses: list[float] = []

    class Watcher:
        def on_step(self, event: Any) -> None:
            losses.append(event.loss)

        def on_epoch(self, event: Any) -> None: ...

    data = tasks.adding(200 * 32, 20, np.random.default_rng(0))
    lines = {"clip": clip, "optimizer.lr": "0.06"}
    nr.fit(tasks.FLOW, data, config={"radius": radius}, train=lines, watchers=[Watcher()], epochs=1, seed=0)
    return losses


def test_clipping_cures_exploding_gradients(tasks: ModuleType) -> None:
    with pytest.raises(nr.TrainingError, match="the loss is inf at step"):
        descend(tasks, 1.2, "none")
    assert np.mean(descend(tasks, 1.2, "norm(1.0)")[-100:]) < 1


def test_clipping_does_nothing_for_vanishing_ones(tasks: ModuleType) -> None:
    without, with_clip = (np.mean(descend(tasks, 0.5, clip)[-100:]) for clip in ("none", "norm(1.0)"))
    assert without == pytest.approx(ANSWERING_ONE, abs=0.02)
    assert with_clip == pytest.approx(without, abs=0.005)
