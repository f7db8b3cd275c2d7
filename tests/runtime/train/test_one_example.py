"""Inputs whose rows make up one example, such as a graph with its adjacency matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import TensorType, tensor
from netruntime.data import open_data
from netruntime.sizes import batch_axis, one_example

GRAPH = """net 1.0
model Net(x: f32[N, 5], adjacency: f32[N, N]) -> logits: f32[N, 3] {
  return adjacency @ (x -> fc: Linear(3, bias=false))
}
train {
  input label: i32[N]
  loss = cross_entropy(logits, label)
  optimizer = sgd(1.0)
  epochs = 1
  batch_size = 4
}
"""


def rows(count: int = 11) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, count)
    label[::3] = -1
    x, adjacency = rng.normal(size=(count, 5)), rng.normal(size=(count, count))
    return {"x": x.astype(np.float32), "adjacency": adjacency.astype(np.float32), "label": label}


def test_a_graph_is_trained_as_one_batch_in_its_order() -> None:
    data, notes = rows(), []
    start = {name: np.array(w) for name, w in nr.load(GRAPH).weights.items()}
    result = nr.fit(GRAPH, data, weights=start, note=notes.append, accumulate=2)
    assert result.step == 1
    assert any("`N` is also another axis of `adjacency`" in note for note in notes)
    x, adjacency = data["x"].astype(np.float64), data["adjacency"].astype(np.float64)
    logits = adjacency @ x @ start["fc.weight"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts = data["label"] >= 0
    error = (shares - np.eye(3)[data["label"]]) * counts[:, None] / counts.sum()
    gradient = (adjacency @ x).T @ error
    np.testing.assert_allclose(start["fc.weight"] - result.weights["fc.weight"], gradient, atol=2e-6)


def test_a_graph_is_evaluated_as_one_batch() -> None:
    one, other = (nr.evaluate(GRAPH, rows(), batch_size=size).figures for size in (64, 3))
    assert one == other


def test_rows_of_a_graph_are_not_held_out() -> None:
    for call in (nr.fit, nr.evaluate):
        with pytest.raises(nr.DataInputError, match=r"E0837.*rows cannot be held out: `N`"):
            call(GRAPH, rows(), holdout=0.3)


@pytest.mark.parametrize(
    ("types", "batch", "reason"),
    [
        ({"x": ("N", 5), "a": ("N", "N"), "y": ("N",)}, None, "`N` is also another axis of `a`, f32[N, N]"),
        ({"x": ("B", "T"), "y": ("B",)}, "B", None),
        ({"x": ("B", "T"), "m": ("T", "T")}, None, "the first axis of `x` is `B`, and that of `m` `T`"),
        ({"x": ("B", "N", 5), "a": ("B", "N", "N")}, "B", None),
        (
            {"x": ("U", 5), "z": ("I", 5), "r": ("U", "I")},
            None,
            "first axis of `x` is `U`, and that of `z` `I`",
        ),
        ({"x": ("N", 5), "edges": (2, "E")}, None, "the first axis of `x` is `N`, and that of `edges` `2`"),
        ({"x": (4, 3)}, None, None),
        ({"x": (4, 3), "a": (4, 4)}, None, "`4` is also another axis of `a`, f32[4, 4]"),
        ({"x": (1, 1, 28, 28)}, None, None),
        ({"x": ("B", 3), "scale": ()}, "B", None),
    ],
)
def test_axes(types: dict[str, tuple[Any, ...]], batch: str | None, reason: str | None) -> None:
    shaped = typed(types)
    assert batch_axis(shaped) == batch
    why = one_example(shaped)
    assert why == reason if reason is None else why is not None and reason in why


def typed(types: dict[str, tuple[Any, ...]]) -> dict[str, TensorType]:
    return {
        name: tensor("f32", *(symbol(n) if isinstance(n, str) else n for n in shape))
        for name, shape in types.items()
    }


def source(inputs: str, result: str, output: str = "f32[N, 3]", label: str = "label: i32[N]") -> str:
    return f"""net 1.0
model Net({inputs}) -> logits: {output} {{
  return {result}
}}
train {{
  input {label}
  loss = cross_entropy(logits, label)
  optimizer = sgd(1.0)
}}
"""


def numbers(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


SEND = """scatter(
    zeros([N, 3]), reshape(to, [-1, 1]) + zeros([E, 3], i32), gather((x -> fc: Linear(3)), at), reduce="add"
  )"""
RATE = "r @ (z -> fc: Linear(3)) + (x -> own: Linear(3))"
GRAPHS = {
    "one graph": (
        source("x: f32[N, 5], a: f32[N, N]", "a @ (x -> fc: Linear(3))"),
        {"x": numbers(6, 5), "a": numbers(6, 6)},
    ),
    "a graph of a fixed size": (
        source("x: f32[6, 5], a: f32[6, 6]", "a @ (x -> fc: Linear(3))", "f32[6, 3]", "label: i32[6]"),
        {"x": numbers(6, 5), "a": numbers(6, 6)},
    ),
    "users and items": (
        source(
            "x: f32[N, 5], z: f32[I, 5], r: f32[N, I]", "r @ (z -> fc: Linear(3)) + (x -> own: Linear(3))"
        ),
        {"x": numbers(6, 5), "z": numbers(4, 5), "r": numbers(6, 4)},
    ),
    "as many users as items": (
        source(
            "x: f32[N, 5], z: f32[I, 5], r: f32[N, I]", "r @ (z -> fc: Linear(3)) + (x -> own: Linear(3))"
        ),
        {"x": numbers(6, 5), "z": numbers(7, 5)[:6], "r": numbers(6, 6)},
    ),
    "edges": (
        source("x: f32[N, 5], at: i32[E], to: i32[E]", SEND),
        {"x": numbers(6, 5), "at": np.arange(9) % 6, "to": np.arange(9) // 2},
    ),
    "as many edges as nodes": (
        source("x: f32[N, 5], at: i32[E], to: i32[E]", SEND),
        {"x": numbers(6, 5), "at": np.arange(6), "to": (np.arange(6) + 1) % 6},
    ),
    "several matrices": (
        source("x: f32[N, 5], a: f32[2, N, N]", "sum(a @ (x -> fc: Linear(3)), over=0)"),
        {"x": numbers(6, 5), "a": numbers(2, 6, 6)},
    ),
    "a table for all rows": (
        source("ids: i32[N], table: f32[V, 5]", "gather(table, ids) -> fc: Linear(3)"),
        {"ids": np.arange(6) % 4, "table": numbers(4, 5)},
    ),
}
LABEL = np.array([0, 2, -1, 1, 2, -1])


@pytest.mark.parametrize("name", GRAPHS)
def test_every_command_takes_all_rows_at_once(name: str) -> None:
    text, inputs = GRAPHS[name]
    net = nr.load(text)
    start = dict(net.weights)
    logits = net(**inputs)
    notes: list[str] = []
    predicted = nr.predict(text, inputs, start, batch_size=2, note=notes.append)
    assert any("all rows are one batch" in note for note in notes)
    np.testing.assert_allclose(predicted["logits"], logits, rtol=1e-6)
    data = {**inputs, "label": LABEL}
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts = LABEL >= 0
    loss = -np.log(shares[counts, LABEL[counts]]).mean()
    measured = nr.evaluate(text, data, start, batch_size=2).figures[""]["loss"]
    assert measured == pytest.approx(loss, rel=1e-5)
    result = nr.fit(text, data, weights=start, batch_size=2, accumulate=2, epochs=1, seed=5)
    assert result.step == 1
    assert result.history[0].train[""]["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_graph_as_one_example_has_one_prediction() -> None:
    text = source(
        "x: f32[N, 5], a: f32[N, N]",
        "mean(a @ (x -> fc: Linear(3)), over=0, keepdims=true)",
        "f32[1, 3]",
        "label: i32[1]",
    )
    inputs = {"x": numbers(6, 5), "a": numbers(6, 6)}
    np.testing.assert_allclose(nr.predict(text, inputs)["logits"], nr.load(text)(**inputs), rtol=1e-6)
    assert nr.fit(text, {**inputs, "label": np.array([2])}, epochs=2).step == 2


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("one graph", {"a": numbers(6, 5)}, "axis 1 is 5, not 6"),
        ("one graph", {"x": numbers(7, 5)}, "axis 0 is 6, not 7"),
        ("a graph of a fixed size", {"x": numbers(12, 5), "a": numbers(12, 6)}, "axis 0 is 12, not 6"),
        ("users and items", {"r": numbers(4, 6)}, "axis 0 is 4, not 6"),
    ],
)
def test_arrays_of_other_sizes_are_refused(name: str, changed: dict[str, Any], words: str) -> None:
    text, inputs = GRAPHS[name]
    with pytest.raises(nr.DataInputError, match=rf"E0801.*\n?.*{words}") as failed:
        nr.predict(text, {**inputs, **changed})
    assert "all rows are one batch" in str(failed.value.diagnostics[0].help)


def test_a_graph_in_files(tmp_path: Path) -> None:
    """As one archive, as a folder with an array in each file, and with a file named for each input."""
    text, inputs = GRAPHS["users and items"]
    data = {**inputs, "label": LABEL}
    np.savez(tmp_path / "graph.npz", **data)
    folder = tmp_path / "graph"
    folder.mkdir()
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array)
    named = " ".join(f"{name}={folder}/{name}.npy" for name in data)
    expected = nr.evaluate(text, data, batch_size=2).figures
    for spec in (tmp_path / "graph.npz", folder, named):
        assert nr.evaluate(text, spec, batch_size=2).figures == expected


def test_several_graphs_do_not_follow_one_another(tmp_path: Path) -> None:
    text, inputs = GRAPHS["edges"]
    for n in range(2):
        np.savez(tmp_path / f"{n}.npz", **inputs, label=LABEL)
    with pytest.raises(nr.DataInputError, match=r"E0839.*are 2 files, but the first axis of `x` is `N`"):
        nr.evaluate(text, tmp_path)


def test_a_large_graph_is_checked_in_one_piece() -> None:
    """Columns that end before others, beyond the rows that a check reads at a time."""
    wanted = typed({"x": ("N",), "w": ("E",)})
    data = open_data({"x": np.zeros(9000), "w": np.zeros(5)}, wanted)
    assert {name: len(array) for name, array in data.rows(np.arange(len(data))).items()} == {
        "x": 9000,
        "w": 5,
    }
    bad = np.zeros(9000)
    bad[8000] = np.nan
    with pytest.raises(nr.DataInputError, match="row 8000 of"):
        open_data({"x": bad, "w": np.zeros(5)}, wanted)


def test_sections_with_inputs_of_their_own_are_batches() -> None:
    """The axes of two models have nothing in common."""
    wanted = typed({"x": ("B", 4), "z": ("M", 4)})
    models = [{"x": wanted["x"]}, {"z": wanted["z"]}]
    data = {"x": numbers(6, 4), "z": numbers(6, 4)}
    assert open_data(data, wanted, models=models).one_example is None
    assert open_data(data, wanted).one_example is not None


@pytest.mark.parametrize("edges", [3, 11])
def test_an_evaluation_counts_nodes_and_not_edges(edges: int) -> None:
    text = """net 1.0
model G(x: f32[N, 4], source: i32[E]) -> logits: f32[N, 3] {
  h = x -> fc: Linear(8) -> relu
  return h + sum(gather(h, source), over=0, keepdims=true) -> out: Linear(3)
}
train {
  input label: i32[N]
  loss = cross_entropy(logits, label)
}
"""
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(6, 4)), "source": rng.integers(0, 6, edges), "label": rng.integers(0, 3, 6)}
    assert nr.evaluate(text, data).rows == 6
