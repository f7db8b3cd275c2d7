"""The graph before and after the passes that make larger operators of a product and what follows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import netruntime as nr
from netdsl.graph import Graph
from netruntime.engine.executor import execute
from netruntime.engine.passes.fold_norms import fold_norm
from netruntime.engine.passes.fuse_products import fuse_activation, fuse_residual
from netruntime.engine.passes.relu_gradients import fuse_relu_gradient
from netruntime.engine.passes.rewrite import Rule, rewrite
from netruntime.engine.plan import make_plan
from netruntime.native.fused import Fused

IMAGE = "x: f32[B, 3, 6, 6]"
ROWS = "x: f32[B, 6]"


def network(body: str, inputs: str = IMAGE) -> nr.Network:
    return nr.load(f"net 1.0\nmodel M({inputs}) {{\n  {body}\n}}\n", engine="numpy")


def after(graph: Graph, *rules: Rule) -> Graph:
    """The graph after passes of one rule each."""
    wanted = list(graph.interface.output_ports.values())
    for rule in rules:
        rewritten = rewrite(graph, (rule,), wanted)
        wanted, graph = [rewritten.moved[port] for port in wanted], rewritten.tape.graph
    return graph


def listed(graph: Graph) -> list[str]:
    """What runs on the input, with the parts of fused operators; not what depends on weights alone."""
    found, varying = [], set[int]()
    for number in sorted(graph.needed_for(graph.interface.outputs.values())):
        node = graph.node(number)
        sources = {port[0] for port in graph.inputs_of(number) if port is not None}
        if node.op.name == "input" or sources & varying:
            varying.add(number)
            if node.op.name not in ("input", "output"):
                found.append(node.op.parts if isinstance(node.op, Fused) else node.op.name)
    return found


def results(net: nr.Network, graph: Graph) -> Sequence[np.ndarray]:
    """What a graph computes of weights that are all different, with variances above zero."""
    rng = np.random.default_rng(0)
    weights = {
        path: (rng.uniform(0.5, 2, w.shape) if "var" in path else rng.normal(size=w.shape)).astype(np.float32)
        for path, w in net.weights.items()
    }
    given = {
        name: rng.normal(size=[2 if str(n) == "B" else n.value for n in type_.shape]).astype(np.float32)
        for name, type_ in net.inputs.items()
    }
    plan = make_plan(graph, list(graph.interface.output_ports.values()), {"B": 2}, net.device)
    return execute(plan, given, weights, net.device)


def same(net: nr.Network, graph: Graph) -> None:
    for expected, result in zip(results(net, net.graph), results(net, graph), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("body", "before", "wanted"),
    [
        ("return x -> Conv(4, 3) -> BatchNorm", ["conv", "batch_norm"], ["conv"]),
        ("return x -> Conv(4, 3, bias=false) -> BatchNorm", ["conv", "batch_norm"], ["conv"]),
        ("return x -> BatchNorm -> Conv(4, 3)", ["batch_norm", "conv"], ["batch_norm", "conv"]),
        (
            "c = x -> Conv(4, 3)\n  return (c -> BatchNorm) + c",
            ["conv", "batch_norm", "add"],
            ["conv", "batch_norm", "add"],
        ),
    ],
    ids=["bias", "no bias", "norm first", "read twice"],
)
def test_a_norm_becomes_part_of_the_weights_before_it(
    body: str, before: list[str], wanted: list[str]
) -> None:
    net = network(body)
    graph = after(net.graph, fold_norm)
    assert listed(net.graph) == before and listed(graph) == wanted
    same(net, graph)


@pytest.mark.parametrize(
    ("body", "inputs", "wanted"),
    [
        ("return x -> Linear(6) -> tanh", ROWS, ["linear + tanh"]),
        ("return (x -> Linear(6)) + x", ROWS, ["linear"]),
        ("return x + (x -> Linear(6)) -> relu", ROWS, ["linear + relu"]),
        ("return x -> Linear(6) -> relu -> relu", ROWS, ["linear + relu", "relu"]),
        ("return (x -> Linear(6) -> relu) + x", ROWS, ["linear + relu", "add"]),
        ("return (x -> Linear(6)) + (x -> Linear(1))", ROWS, ["linear", "linear", "add"]),
        ("y = x -> Linear(6)\n  return (y -> relu) + y", ROWS, ["linear", "relu", "add"]),
        ("return x -> Linear(6) -> softmax", ROWS, ["linear", "softmax"]),
        ("return (x -> Conv(3, 3, pad=1) -> BatchNorm) + x -> relu", IMAGE, ["conv + relu"]),
    ],
    ids=[
        "activation",
        "residual",
        "both",
        "two activations",
        "activation first",
        "broadcast",
        "read twice",
        "no activation",
        "block of a ResNet",
    ],
)
def test_a_residual_and_an_activation_become_the_end_of_a_product(
    body: str, inputs: str, wanted: list[str]
) -> None:
    net = network(body, inputs)
    graph = after(net.graph, fold_norm, fuse_residual, fuse_activation)
    assert listed(graph) == wanted
    same(net, graph)


@pytest.mark.parametrize(
    ("body", "before", "wanted"),
    [
        ("return d * cast(x > 0.0, f32)", ["greater", "cast", "multiply"], ["relu_gradient"]),
        ("return d * cast(x > 1.0, f32)", ["greater", "cast", "multiply"], ["greater", "cast", "multiply"]),
        ("return d * cast(x < 0.0, f32)", ["less", "cast", "multiply"], ["less", "cast", "multiply"]),
        ("return d * x", ["multiply"], ["multiply"]),
    ],
    ids=["relu", "another limit", "below", "no mask"],
)
def test_the_gradient_of_relu_becomes_one_operator(body: str, before: list[str], wanted: list[str]) -> None:
    net = network(body, f"{ROWS}, d: f32[B, 6]")
    graph = after(net.graph, fuse_relu_gradient)
    assert listed(net.graph) == before and listed(graph) == wanted
    same(net, graph)
