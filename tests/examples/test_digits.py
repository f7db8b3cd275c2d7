"""The networks for digits learn: a few epochs here, whole runs where tests may be slow."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions, Subset, open_data, split
from zoo.examples import EXAMPLES

DATA = EXAMPLES / "data" / "digits.npz"
HOLDOUT = 0.2


@cache
def held_out() -> Subset:
    """The digits that seed 0 holds out of training lenet5.net, in its size."""
    wanted = {"image": tensor("f32", symbol("B"), 1, 28, 28), "label": tensor("i32", symbol("B"))}
    return split(open_data(DATA, wanted, DataOptions(resize="stretch")), HOLDOUT, 0)[1]


def learn(name: str, *, seed: int = 0, **settings: Any) -> nr.Trained:
    """Train an example on the digits as examples/experiments/digits.py does."""
    return nr.fit(
        EXAMPLES / f"{name}.net",
        DATA,
        holdout=HOLDOUT,
        options=DataOptions(resize="stretch"),
        augment="shift=2",
        seed=seed,
        **settings,
    )


def accuracy(trained: nr.Trained) -> float:
    """On the rows held out, after the last epoch."""
    return float(trained.history[-1].valid[""]["accuracy"])


@pytest.mark.parametrize(
    ("name", "epochs", "least"),
    [("mlp", 4, 0.92), ("lenet5", 5, 0.9), ("digits_resnet", 3, 0.9), ("digits_googlenet", 4, 0.85)],
)
def test_a_few_epochs_teach_most_digits(name: str, epochs: int, least: float) -> None:
    assert accuracy(learn(name, epochs=epochs)) >= least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("mlp", 0.97), ("lenet5", 0.985), ("digits_resnet", 0.985), ("digits_googlenet", 0.985)],
)
def test_the_whole_recipe_reaches_what_the_record_says(name: str, least: float) -> None:
    assert accuracy(learn(name)) >= least


def test_the_weights_beside_lenet5_are_those_of_its_record() -> None:
    net = nr.load(EXAMPLES / "lenet5.net", EXAMPLES / "lenet5.safetensors")
    held = held_out()
    rows = held.rows(np.arange(len(held)))
    hits = np.asarray(net(image=rows["image"])).argmax(axis=1) == rows["label"]
    assert len(hits) == 359
    assert hits.mean() >= 0.985


def test_pictures_are_rows_that_were_held_out() -> None:
    """Enlarged by another way than for training, so to a few grey levels."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
    held = held_out()
    rows = held.rows(np.arange(len(held)))
    for digit in range(10):
        first = rows["image"][rows["label"] == digit][0, 0]
        picture = image.open(EXAMPLES / "data" / f"digit-{digit}.png")
        assert picture.mode == "L"
        small = np.asarray(picture.resize((28, 28), image.Resampling.BILINEAR), np.float32) / 255
        assert np.abs(small - first).mean() < 0.03


def test_without_add_a_deep_network_learns_less() -> None:
    """32 layers, narrow and for a few steps; the record has the whole runs."""
    losses = {
        shortcuts: learn(
            "digits_resnet", steps=60, config={"depth": 5, "width": 4, "shortcuts": shortcuts}
        ).history[-1]
        for shortcuts in (True, False)
    }
    with_add, without = (float(losses[key].train[""]["loss"]) for key in (True, False))
    assert with_add < 0.75 * without


def test_without_add_the_network_has_the_same_layers() -> None:
    """But for the convolutions on the two shortcuts that change the size."""
    path = EXAMPLES / "digits_resnet.net"
    residual, plain = (set(nr.load(path, shortcuts=value).weights) for value in (True, False))
    assert plain < residual
    assert {name.split(".")[3] for name in residual - plain} == {"down"}
