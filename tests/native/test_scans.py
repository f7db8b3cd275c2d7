"""Scans of any cell by a native loop: against NumPy, with lengths, in reverse, for any threads and batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from native.running import floats, library
from netdsl.checker import check
from netdsl.ops.sequence.scan import Scan
from netruntime.engine.backends import open_device
from netruntime.engine.backends.device import DeviceChoice
from netruntime.engine.loading import open_module
from netruntime.native.options import EngineName, EngineOptions
from netruntime.native.run import NativeRun
from netruntime.train.initial_weights import first_weights
from netruntime.train.phase import trainable
from netruntime.train.step import LossGraph

Array = np.ndarray[Any, Any]
CELLS = {
    "swapped states": """
  state a: [B, hidden] = zeros
  state b: [B, hidden] = ones
  next a = b
  next b = 0.5 * a + tanh(x @ W)
  return b' - a""",
    "a state that stays": """
  state a: [B, hidden] = ones
  state b: [B, hidden] = zeros
  next a = a
  next b = b + a * relu(x @ W)
  return b'""",
    "what is the same at all times": """
  param U: [hidden, hidden] = orthogonal
  param c: [hidden] = ones
  state h: [B, hidden] = zeros
  next h = tanh(x @ W + h @ transpose(U, [1, 0]) + exp(c) * 0.1)
  return h""",
    "a comparison": """
  state h: [B, hidden] = zeros
  next h = where(x @ W > h, h + 0.25, 0.5 * h - 1.0)
  return softmax(h')""",
    "a dense layer and a norm": """
  state h: [B, hidden] = zeros
  next h = concat(x @ W, h) -> mix: Linear(hidden) -> norm: LayerNorm -> gelu
  return h'""",
}
TEXT = """net 1.0
cell Mine(hidden: int)(x: [B, I]) -> [B, hidden] {{
  param W: [I, hidden] = glorot{body}
}}
model M(x: f32[B, T, 5]{more}) -> y: f32[B, T, 3] {{
  return x -> rnn: scan Mine(19){length}{reverse} -> out: Linear(3)
}}
"""
TRAIN = """
train {
  input target: f32[B, T, 3]
  loss = mse(y, target)
  optimizer = sgd(0.1)
}
"""
LENGTHS = np.array([4, 0, 7, 1, 6], np.int32)


def text_of(cell: str, *, lengths: bool, reverse: bool) -> str:
    more, length = (", length: i32[B]", "(length=length)") if lengths else ("", "")
    return TEXT.format(body=CELLS[cell], more=more, length=length, reverse=" reverse" if reverse else "")


def inputs_of(batch: int, steps: int, lengths: bool) -> dict[str, Array]:
    arrays = {"x": np.stack([floats(steps, 5, seed=n) for n in range(batch)])}
    if lengths:
        arrays["length"] = np.minimum(np.resize(LENGTHS, batch), steps).astype(np.int32)
    return arrays


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_cells(cell: str, lengths: bool, reverse: bool) -> None:
    library()
    text = text_of(cell, lengths=lengths, reverse=reverse)
    for batch, steps in [(1, 1), (3, 1), (1, 6), (5, 7)]:
        inputs = inputs_of(batch, steps, lengths)
        found, wanted = (nr.load(text, engine=engine).run(inputs)["y"] for engine in ("native", "numpy"))
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_has_the_same_bits_alone_and_for_any_threads(cell: str) -> None:
    library()
    text, inputs = text_of(cell, lengths=True, reverse=False), inputs_of(5, 7, True)
    one, two = (nr.load(text, engine="native", threads=n).run(inputs)["y"] for n in (1, 2))
    row = nr.load(text, engine="native").run({name: array[2:3] for name, array in inputs.items()})["y"]
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[2:3], row)


def graph_of(text: str, engine: EngineName) -> LossGraph:
    phase = check(open_module(text), {}, training=True).phases[0]
    device = open_device(DeviceChoice("cpu", EngineOptions(engine, 2)))
    return LossGraph(phase, device, trainable(phase))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_cells(cell: str, lengths: bool, reverse: bool) -> None:
    library()
    text = text_of(cell, lengths=lengths, reverse=reverse) + TRAIN
    batch = {**inputs_of(5, 7, lengths), "target": floats(5, 7, 3, seed=9)}
    graphs = [graph_of(text, engine) for engine in ("native", "numpy")]
    weights = first_weights([graphs[0].phase], 0).arrays
    found, wanted = (graph.compute(batch, weights, 0) for graph in graphs)
    for label, array in wanted.gradients.items():
        atol = 5e-6 * max(np.abs(array).max(), 0.01)
        np.testing.assert_allclose(found.gradients[label], array, rtol=1e-5, atol=atol, err_msg=label)


def test_a_step_of_a_recurrent_network_is_one_native_run() -> None:
    library()
    text = text_of("what is the same at all times", lengths=True, reverse=False) + TRAIN
    graph = graph_of(text, "native")
    batch = {**inputs_of(5, 7, True), "target": floats(5, 7, 3, seed=9)}
    graph.compute(batch, first_weights([graph.phase], 0).arrays, 0)
    (plan,) = graph._plans._plans.values()
    assert sum(isinstance(step.run, NativeRun) for step in plan.steps) == 1
    assert not any(isinstance(step.op, Scan) for step in plan.steps)


def test_a_matrix_that_stays_the_same_is_packed_once() -> None:
    library()
    graph = graph_of(text_of("what is the same at all times", lengths=False, reverse=False) + TRAIN, "native")
    batch = {**inputs_of(5, 7, False), "target": floats(5, 7, 3, seed=9)}
    graph.compute(batch, first_weights([graph.phase], 0).arrays, 0)
    (plan,) = graph._plans._plans.values()
    (run,) = (step.run for step in plan.steps if isinstance(step.run, NativeRun))
    loops = [n for n, record in enumerate(run.records) if record.kernel == "loop"]
    bodies = [run.records[n + 1 : n + 1 + run.records[n].numbers[1]] for n in loops]
    assert bodies and not any("pack" in record.kernel for body in bodies for record in body)
