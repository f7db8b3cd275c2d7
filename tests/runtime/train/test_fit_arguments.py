"""Arguments of `fit` and `evaluate` of the wrong kind, and counts beyond any use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr

TEXT = """net 1.0
model M(x: f32[B, 4]) -> y: f32[B, 1] { return x -> fc: Linear(1) }
train {
  loss = mean(y)
  optimizer = sgd(0.1)
}
"""
DATA = {"x": np.ones((4, 4), np.float32)}


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("names", 3, "E0870", r"`names` must be a string, but is 3 \(int\)"),
        ("note", 3, "E0870", r"`note` must be a function, but is 3 \(int\)"),
        ("resume", "yes", "E0870", "`resume` must be True or False, but is 'yes'"),
        ("watchers", [3], "E0870", "`watchers` holds an int, which is not an observer"),
        ("accumulate", 2**70, "E1072", "`accumulate` must be at most 9223372036854775807"),
        ("batch_size", 10**400, "E1072", "`batch_size` must be at most 9223372036854775807"),
        ("steps", 2**63, "E1072", "`steps` must be at most 9223372036854775807"),
        ("seed", -(2**70), "E1072", "`seed` is .*, but must be a non-negative integer"),
        ("epochs", float("inf"), "E1072", "`epochs` .*must be a positive integer"),
    ],
)
def test_fit(name: str, value: Any, code: str, words: str) -> None:
    with pytest.raises(nr.NetError, match=words) as caught:
        nr.fit(TEXT, DATA, **{"epochs": 1, name: value})
    assert caught.value.code == code


def test_a_learning_rate_as_an_argument() -> None:
    with pytest.raises(nr.NetError, match="E0870") as caught:
        nr.fit(TEXT, DATA, epochs=1, lr=0.5)
    assert caught.value.diagnostics[0].help == 'write `train={"optimizer.lr": 0.5}`'
    nr.fit(TEXT, DATA, epochs=1, train={"optimizer.lr": 0.5})


CLASSES = """net 1.0
model M(x: f32[B, 4]) -> y: f32[B, 2] { return x -> fc: Linear(2) }
train {
  input label: i32[B]
  loss = cross_entropy(y, label)
}
"""


@pytest.mark.parametrize(
    ("data", "words", "help"),
    [
        (DATA, "E0830.*wants `label`", "add `label` to the data, a value for each row"),
        ({**DATA, "label": ["a", "b", "b", "a"]}, "E0834", "numpy.unique(labels, return_inverse=True)[1]"),
        ({**DATA, "label": [0, 1]}, "E0854.*4 rows of `x` and 2 of `label`", "every row needs all of them"),
    ],
)
def test_data_without_its_labels(data: dict[str, Any], words: str, help: str) -> None:
    with pytest.raises(nr.NetError, match=words) as caught:
        nr.fit(CLASSES, data, epochs=1)
    assert help in (caught.value.diagnostics[0].help or "")


def test_a_network_as_the_source() -> None:
    with pytest.raises(nr.NetError, match=r"E0870.*`source` must be a path.*a Network") as caught:
        nr.fit(nr.load(TEXT), DATA)  # type: ignore[arg-type]
    assert "give the path of a `.net` file, its text, or the folder of a run" in str(caught.value)


def test_the_largest_count_is_accepted() -> None:
    assert nr.fit(TEXT, DATA, epochs=1, batch_size=2**63 - 1).step == 1


@pytest.mark.parametrize("name", ["note", "advance"])
def test_evaluate(name: str) -> None:
    with pytest.raises(nr.NetError, match=rf"`{name}` must be a function, but is 3 \(int\)"):
        nr.evaluate(TEXT, DATA, **{name: 3})  # type: ignore[arg-type]


def test_generate() -> None:
    net = nr.load(
        "net 1.0\nmodel W(ids: i32[B, T]) -> logits: f32[B, T, 5] "
        "{ return ids -> embed: Embedding(5, 4) -> out: Linear(5) }\n"
    )
    with pytest.raises(nr.NetError, match=r"`stream` must be a function, but is 3 \(int\)"):
        nr.generate(net, [1], max_new=2, stream=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("config", 3, "`config` must be a mapping"),
        ("options", 3, "`options` must be `DataOptions`, but is an int"),
        ("augment", 3, "`augment` must be a string"),
        ("names", 3, "`names` must be a string"),
        ("model", 3, "`model` must be a string"),
        ("batch_size", "a", "`batch_size` must be"),
        ("batch_size", 0, "`batch_size` must be"),
        ("note", 3, "`note` must be a function"),
        ("seed", "a", "`seed` must be"),
        ("weights", 3, "`weights` must be a path"),
    ],
)
def test_predict(name: str, value: Any, words: str) -> None:
    with pytest.raises(nr.NetError, match=words) as caught:
        nr.predict(TEXT, DATA, **{name: value})
    assert caught.value.code == "E0870"


@pytest.mark.parametrize(
    ("name", "value"), [("weights", "w.npz"), ("names", "hub"), ("model", "M"), ("config", {"a": 3})]
)
def test_predict_of_a_network_takes_nothing_that_loads_one(name: str, value: Any) -> None:
    with pytest.raises(nr.NetError, match=f"`{name}` is for a file"):
        nr.predict(nr.load(TEXT), DATA, **{name: value})


def test_a_network_takes_its_inputs_by_name() -> None:
    net = nr.load(TEXT)
    with pytest.raises(nr.NetError, match=r"`M` takes its inputs by name(.|\n)*network\(x=\.\.\)"):
        net(DATA["x"])
    assert net(x=DATA["x"]).shape == (4, 1)
    named = nr.load(TEXT.replace("x: f32", "self: f32").replace("return x", "return self"))
    assert named(self=DATA["x"]).shape == (4, 1)
    with pytest.raises(nr.NetError, match="`depth` must be"):
        net.summary(depth="a")  # type: ignore[arg-type]


def test_a_map_that_does_not_exist_is_refused_for_random_weights_too() -> None:
    with pytest.raises(nr.WeightsError, match="E0726"):
        nr.load(TEXT, names="hub")
