"""Scans whose cell is an LSTM, a GRU or a plain recurrent cell become one operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.graph import Graph
from netruntime.engine.executor import execute
from netruntime.engine.passes.fuse_cells import fuse_cell
from netruntime.engine.passes.hoist import hoist_invariants
from netruntime.engine.passes.rewrite import rewrite
from netruntime.engine.plan import make_plan

SCAN = "model M(x: f32[B, T, 3], n: i32[B]) -> y: f32[B, T, 5] {{ return x -> r: scan {}(length=n){} }}\n"


def fused(text: str) -> tuple[nr.Network, Graph]:
    """A network on NumPy, and its graph after the passes."""
    net = nr.load(f"net 1.0\n{text}", engine="numpy")
    wanted = list(net.graph.interface.output_ports.values())
    hoisted = rewrite(net.graph, (hoist_invariants,), wanted)
    wanted = [hoisted.moved[port] for port in wanted]
    return net, rewrite(hoisted.tape.graph, (fuse_cell,), wanted).tape.graph


def operators(graph: Graph) -> list[str]:
    """What runs for the output, without weights and constants."""
    needed = graph.needed_for(graph.interface.outputs.values())
    names = [graph.node(number).op.name for number in sorted(needed)]
    return [name for name in names if name not in ("input", "param", "constant", "output", "split")]


def same(net: nr.Network, graph: Graph) -> None:
    """The rewritten graph computes what the network does, on weights that are all different."""
    rng = np.random.default_rng(0)
    weights = {path: rng.normal(size=w.shape).astype(np.float32) for path, w in net.weights.items()}
    given = {"x": rng.normal(size=(3, 4, 3)).astype(np.float32), "n": np.array([4, 0, 2], np.int32)}
    found = []
    for one in (net.graph, graph):
        plan = make_plan(one, list(one.interface.output_ports.values()), {"B": 3, "T": 4}, net.device)
        found.append(execute(plan, given, weights, net.device)[0])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


CELLS: list[tuple[str, str, list[str]]] = [
    ("RNN(5)", "", ["linear", "rnn_steps"]),
    ("RNN(5, act=relu, bias=false)", " reverse", ["linear", "rnn_steps"]),
    ("LSTM(5)", "", ["linear", "lstm_steps"]),
    ("LSTM(5)", " reverse", ["linear", "lstm_steps"]),
    ("GRU(5, reset_after=false)", "", ["linear", "concat", "gru_steps"]),
]


@pytest.mark.parametrize("cell, direction, wanted", CELLS)
def test_standard_cells(cell: str, direction: str, wanted: list[str]) -> None:
    net, graph = fused(SCAN.format(cell, direction))
    assert "scan" in operators(net.graph)
    assert operators(graph) == wanted
    same(net, graph)


@pytest.mark.parametrize(
    "cell, name",
    [("LSTM(5, peepholes=true)", "lstm_steps"), ("GRU(5)", "gru_steps"), ("GRU(5, bias=false)", "gru_steps")],
)
def test_cells_whose_weights_are_put_together(cell: str, name: str) -> None:
    net, graph = fused(SCAN.format(cell, ""))
    assert operators(graph)[-1] == name and "scan" not in operators(graph)
    same(net, graph)


OWN = """cell Own(x: [B, I]) -> [B, 5] {{
  param W: [I, 20] = glorot
  param U: [5, 20] = orthogonal
  param b: [20] = normal
  state c: [B, 5] = zeros
  state h: [B, 5] = zeros
  {gates}
  next c = {c}
  next h = {h}
  return {result}
}}
"""
PLAIN = {
    "gates": "o, f, g, i = split(b + h @ U + x @ W, 4)",
    "c": "tanh(g) * sigmoid(i) + c * sigmoid(f)",
    "h": "tanh(c') * sigmoid(o)",
    "result": "h'",
}


def own(**changed: str) -> str:
    return OWN.format(**{**PLAIN, **changed}) + SCAN.format("Own", "")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"gates": "o, f, g, i = linear(x, W, b) + (h @ U) -> split(4)"},
        {"gates": "o, i, g, f = split(x @ W + h @ U, 4)"},
    ],
)
def test_an_own_cell_with_other_orders(changed: dict[str, Any]) -> None:
    net, graph = fused(own(**changed))
    assert "lstm_steps" in operators(graph) and "scan" not in operators(graph)
    same(net, graph)


@pytest.mark.parametrize(
    "changed",
    [
        {"c": "tanh(g) * sigmoid(i) + c * tanh(f)"},
        {"c": "tanh(g) * sigmoid(i) - c * sigmoid(f)"},
        {"c": "tanh(g) * sigmoid(i) + h * sigmoid(f)"},
        {"h": "tanh(c) * sigmoid(o)"},
        {"h": "c' * sigmoid(o)"},
        {"h": "tanh(c') * sigmoid(o + o)"},
        {"h": "tanh(c') * sigmoid(o + c)"},
        {"result": "c'"},
        {"result": "h"},
        {"gates": "o, f, g, i = split(x @ W + c @ U + b, 4)"},
        {"gates": "o, f, g, i = split(x @ W + (h + c) @ U + b, 4)"},
        {"gates": "o, f, g, i = split(2.0 * (x @ W + h @ U) + b, 4)"},
    ],
    ids=lambda changed: next(iter(changed.values())),
)
def test_a_cell_that_differs_stays_a_scan(changed: dict[str, str]) -> None:
    net, graph = fused(own(**changed))
    assert "scan" in operators(graph)
    same(net, graph)


GRU = """cell Own(x: [B, I]) -> [B, 5] {{
  param W: [I, 15] = glorot
  param U: [5, 15] = orthogonal
  state h: [B, 5] = zeros
  xr, xz, xn = x @ W -> split(3)
  hr, hz, hn = h @ U -> split(3)
  r, z = [sigmoid(xr + hr), sigmoid(xz + hz)]
  n = tanh(xn + {product})
  next h = {mix}
  return h'
}}
"""


@pytest.mark.parametrize(
    "product, mix, is_gru",
    [
        ("r * hn", "(1.0 - z) * n + z * h", True),
        ("hn * r", "h * z + n * (1.0 - z)", True),
        ("r * hn", "(2.0 - z) * n + z * h", False),
        ("r * hn", "(1.0 - r) * n + z * h", False),
        ("z * hn", "(1.0 - z) * n + z * h", True),  # one gate as both
        ("r * h", "(1.0 - z) * n + z * h", False),
        ("hn", "(1.0 - z) * n + z * h", False),
        ("r * (hn + xn)", "(1.0 - z) * n + z * h", False),
    ],
)
def test_an_own_gru(product: str, mix: str, is_gru: bool) -> None:
    net, graph = fused(GRU.format(product=product, mix=mix) + SCAN.format("Own", ""))
    assert ("gru_steps" in operators(graph)) == is_gru
    same(net, graph)
