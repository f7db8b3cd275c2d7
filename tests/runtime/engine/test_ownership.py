"""The arrays that a network is given, and the files of its weights, may be changed afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netruntime as nr

TEXT = "net 1.0\nmodel M(x: f32[B, 4]) -> y: f32[B, 4] { return x -> fc: Linear(4, bias=false) }\n"
TRAIN = TEXT + "train {\n  loss = mean(y)\n  optimizer = sgd(0.1)\n}\n"
X = np.ones((1, 4), np.float32)


@pytest.mark.parametrize("by", ["load", "with_weights"])
def test_weights_are_copied(by: str) -> None:
    weight = np.ones((4, 4), np.float32)
    weights = {"fc.weight": weight}
    net = nr.load(TEXT, weights) if by == "load" else nr.load(TEXT).with_weights(weights)
    weight[:] = 9
    assert net(x=X).tolist() == [[4.0] * 4]
    with pytest.raises(ValueError, match="read-only"):
        net.weights["fc.weight"][:] = 0
    assert np.shares_memory(
        net.with_weights(dict(net.weights)).weights["fc.weight"], net.weights["fc.weight"]
    )


def test_what_is_trained_is_a_copy() -> None:
    weight = np.ones((4, 4), np.float32)
    trained = nr.fit(TRAIN, {"x": X}, weights={"fc.weight": weight}, epochs=1, batch_size=1)
    assert (weight == 1).all() and not (trained.weights["fc.weight"] == 1).all()


def test_an_output_is_not_the_input() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B, 4]) -> y: f32[B, 4] { return x }\n")
    x = X.copy()
    net(x=x)[:] = 9
    assert (x == 1).all()


@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_an_output_is_not_a_weight(engine: str) -> None:
    text = "net 1.0\nmodel M(x: f32[B, 4]) -> (y: f32[B, 3], w: f32[4, 3]) {\n  layer fc = Linear(3)\n"
    net = nr.load(text + "  return fc(x), fc.weight\n}\n", engine=engine)
    for _ in range(2):
        assert not np.shares_memory(net(x=X)["w"], net.weights["fc.weight"])


@pytest.mark.parametrize("write", ["save", "write_weights", "save other", "fit"])
def test_the_file_that_weights_are_mapped_from_may_be_replaced(write: str, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    nr.load(TEXT, seed=1).save(path)
    net = nr.load(TEXT, path)
    before = net(x=X)
    if write == "save":
        net.save(path)
    elif write == "write_weights":
        nr.write_weights(path, nr.read_weights(path))
    elif write == "save other":
        nr.load(TEXT, seed=2).save(path)
    else:
        with pytest.raises(nr.NetError, match="E1056"):  # it would replace what it reads
            nr.fit(TRAIN, {"x": X}, weights=path, out=tmp_path, epochs=1, batch_size=1)
    np.testing.assert_array_equal(net(x=X), before)
    again = nr.load(TEXT, path)(x=X)
    assert np.array_equal(again, before) == (write != "save other")
