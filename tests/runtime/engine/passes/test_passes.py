"""Rules of rewriting on small graphs: operators in parts, and what leaves the cells of scans."""

from __future__ import annotations

import numpy as np

import netruntime as nr
from netdsl.graph import Graph
from netdsl.ops.sequence.scan import Scan
from netruntime.engine.executor import execute
from netruntime.engine.passes.hoist import hoist_invariants
from netruntime.engine.passes.parts import take_apart
from netruntime.engine.passes.rewrite import rewrite
from netruntime.engine.plan import make_plan

CELL = """net 1.0
cell C(x: [B, I]) -> [B, I] {
  param W: [I, I] = glorot
  param U: [I, I] = glorot
  state h: [B, I] = zeros
  next h = tanh(x @ W + h @ exp(U))
  return h'
}
"""
ONE = CELL + "model M(x: f32[B, T, 3]) -> y: f32[B, T, 3] { return x -> c: scan C }\n"
NESTED = (
    CELL
    + """cell Outer(x: [B, T, I]) -> [B, I] {
  state s: [B, I] = zeros
  y = x -> c: scan C
  next s = s + mean(y, over=1)
  return s'
}
model M(x: f32[B, S, T, 3]) -> y: f32[B, S, 3] { return x -> o: scan Outer }
"""
)


def names(graph: Graph) -> list[str]:
    return [node.op.name for _, node in graph.operators()]


def cell_names(scan: Scan) -> list[str]:
    return [step.op.name for step in scan.program.steps]


def the_scan(graph: Graph) -> Scan:
    (scan,) = [node.op for _, node in graph.operators() if isinstance(node.op, Scan)]
    return scan


def test_no_rules_copy_the_graph() -> None:
    graph = nr.load(ONE).graph
    copied = rewrite(graph, ())
    assert names(copied.tape.graph) == names(graph)
    assert copied.tape.graph.interface == graph.interface
    assert all(copied.moved[port] == port for port in copied.moved)


def test_invariants_and_products_of_sequences_leave_the_cell() -> None:
    graph = rewrite(nr.load(ONE).graph, (hoist_invariants,)).tape.graph
    assert cell_names(the_scan(graph)) == ["matmul", "add", "tanh"]
    before = names(graph)[: names(graph).index("scan")]
    assert before.count("matmul") == 1 and before.count("exp") == 1


def test_invariants_leave_all_the_cells_around_them() -> None:
    graph = rewrite(nr.load(NESTED).graph, (hoist_invariants,)).tape.graph
    outer = the_scan(graph)
    (inner,) = [step.op for step in outer.program.steps if isinstance(step.op, Scan)]
    assert cell_names(inner) == ["matmul", "add", "tanh"]
    assert "exp" in names(graph) and "exp" not in cell_names(outer)


def test_a_rewritten_graph_computes_the_same() -> None:
    net = nr.load(NESTED)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 3)).astype(np.float32)
    graph = rewrite(net.graph, (take_apart, hoist_invariants)).tape.graph
    sizes = {"B": 2, "S": 3, "T": 4}
    plan = make_plan(graph, list(graph.interface.output_ports.values()), sizes, net.device)
    (found,) = execute(plan, {"x": x}, net.device_weights, net.device)
    np.testing.assert_allclose(found, net(x=x), rtol=1e-5, atol=1e-6)


def test_a_cell_whose_state_grows_stays() -> None:
    text = """net 1.0
cell Grow(x: [B, I]) -> [B, I] {
  param W: [I, I] = glorot
  state K: [B, *past, I] = zeros
  next K = concat(K, (x @ W -> [B, I] => [B, 1, I]), axis=1)
  return sum(K', over=1)
}
model M(x: f32[B, T, 2]) -> y: f32[B, T, 2] { return x -> g: scan Grow }
"""
    graph = nr.load(text).graph
    assert the_scan(rewrite(graph, (take_apart, hoist_invariants)).tape.graph) == the_scan(graph)


def test_dropout_is_taken_apart_in_the_graph_and_in_cells() -> None:
    text = """net 1.0
cell C(x: [B, I]) -> [B, I] {
  state h: [B, I] = zeros
  next h = dropout(x + h, p=0.5)
  return h'
}
model M(x: f32[B, T, 3]) -> y: f32[B, T, 3] {
  y = dropout(x, p=0.5) -> c: scan C
  return y
}
"""
    graph = nr.load(text).graph
    assert "dropout" in names(graph) and "dropout" in cell_names(the_scan(graph))
    parts = rewrite(graph, (take_apart,)).tape.graph
    for inside in (names(parts), cell_names(the_scan(parts))):
        assert "bernoulli" in inside and "dropout" not in inside
