"""Outputs and gradients of every example against PyTorch, which runs the same graph its own way.

All in f64: two engines that add in different orders then differ by some 1e-13 of a tensor's largest value, so
that a tolerance of 1e-9 leaves room for deep networks and none for a wrong term.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")

from netdsl.checker import check  # noqa: E402
from netdsl.graph import build  # noqa: E402
from netruntime.engine.backends import open_device  # noqa: E402
from netruntime.engine.binding import bind_inputs  # noqa: E402
from netruntime.engine.loading import open_module  # noqa: E402
from netruntime.engine.network import Network  # noqa: E402
from netruntime.engine.weights import open_weights, parameters  # noqa: E402
from torch_graphs import TorchGraph  # noqa: E402
from zoo.small import CASES, IDS, Case, varied  # noqa: E402

TOLERANCE = 1e-9
SEED = 5


def network(case: Case, training: bool) -> Network:
    """The example in f64, with weights that hide no mistake."""
    checked = check(open_module(case.text("f64")), case.config, training=training)
    model = checked.models[case.model]
    graph = build(model)
    weights = varied(open_weights(graph, None, {}, None, SEED).on_host())
    store = open_weights(graph, weights, {}, None, SEED)
    return Network(checked, model, store, open_device(), SEED)


class Sides:
    """One example in both engines, on the same inputs, weights and draws."""

    def __init__(self, case: Case, training: bool) -> None:
        self.net = network(case, training)
        self.batch = case.inputs(np.random.default_rng(3), "float64")
        _, sizes = bind_inputs(self.net.model, self.batch, self.net.device)
        params = parameters(self.net.graph)
        trained = [name for name, (op, _) in params.items() if op.role == "param"]
        floats = [name for name, array in self.batch.items() if array.dtype.kind == "f"]
        weights = {name: torch.tensor(array) for name, array in self.net.weights.items()}
        inputs = {name: torch.tensor(array) for name, array in self.batch.items()}
        self.leaves = {n: weights[n] for n in trained} | {n: inputs[n] for n in floats}
        for leaf in self.leaves.values():
            leaf.requires_grad_()
        self.ran = TorchGraph(self.net.graph, sizes, SEED).run(inputs, weights)

    def gradients(
        self, output: str, direction: np.ndarray[Any, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The gradients of the sum of `output * direction`, ours and PyTorch's, of what is reached."""
        loss = (self.ran.outputs[output] * torch.from_numpy(direction)).sum()
        theirs = torch.autograd.grad(loss, list(self.leaves.values()), retain_graph=True, allow_unused=True)
        found = {
            name: grad.numpy() for name, grad in zip(self.leaves, theirs, strict=True) if grad is not None
        }
        reached = self.reached(output)
        assert set(reached) == set(found)
        ours = self.net.vjp(output, reached)
        results = ours.run({**self.batch, "direction": direction})
        return results, found

    def reached(self, output: str) -> list[str]:
        """The weights and inputs that an output is computed from."""
        before = nx.ancestors(self.net.graph, self.net.graph.interface.outputs[output])
        labels = {self.net.graph.node(node).label for node in before}
        return [name for name in self.leaves if name in labels]


def assert_agree(actual: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    """Equal relative to the largest value of each tensor, or to a thousandth of the largest of all.

    The bias of keys moves all scores of a softmax alike: its gradient is 0, and what is computed is rounding.
    """
    least = 1e-3 * max(np.abs(value).max() for value in expected.values())
    for name, value in expected.items():
        scale = max(np.abs(value).max(), least)
        difference = np.abs(actual[name] - value).max() / scale
        assert difference <= tolerance, f"{name} differs by {difference:.1e} of its largest value {scale:.3g}"


@pytest.mark.parametrize("training", [False, True], ids=["running", "training"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_outputs_agree(case: Case, training: bool) -> None:
    sides = Sides(case, training)
    expected = {name: value.detach().numpy() for name, value in sides.ran.outputs.items()}
    assert_agree(sides.net.run(sides.batch), expected, TOLERANCE)


@pytest.mark.parametrize("training", [False, True], ids=["running", "training"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradients_agree(case: Case, training: bool) -> None:
    """Of a random weighted sum of each output, with respect to every weight and every float input."""
    sides = Sides(case, training)
    rng = np.random.default_rng(8)
    compared = set()
    for output, value in sides.ran.outputs.items():
        ours, theirs = sides.gradients(output, rng.normal(size=tuple(value.shape)))
        compared |= set(theirs)
        assert any(np.abs(grad).max() > 0 for grad in theirs.values())
        assert_agree(ours, theirs, TOLERANCE)
    assert compared == set(sides.leaves)


def full_size(file: str, *shape: int) -> Case:
    """An example as the file has it, on images of this shape or token numbers."""
    case = next(case for case in CASES if case.file == file)

    def inputs(rng: np.random.Generator, dtype: str) -> dict[str, np.ndarray[Any, Any]]:
        if len(shape) == 2:
            return {"ids": rng.integers(0, 50_257, shape).astype(np.int32)}
        return {"image": rng.normal(size=shape).astype(dtype)}

    return replace(case, config={}, replaced={}, inputs=inputs)


FULL_SIZE = [
    full_size("resnet50", 2, 3, 224, 224),
    full_size("googlenet", 2, 3, 224, 224),
    full_size("vit", 1, 3, 224, 224),
    full_size("gpt2", 1, 32),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", FULL_SIZE, ids=[case.file for case in FULL_SIZE])
def test_gradients_agree_at_full_size(case: Case) -> None:
    """Deep sums of many more terms than in the small networks: room for rounding, none for a wrong term."""
    sides = Sides(case, True)
    value = sides.ran.outputs["logits"]
    direction = np.random.default_rng(8).normal(size=tuple(value.shape))
    ours, theirs = sides.gradients("logits", direction)
    assert_agree(ours, theirs, 10 * TOLERANCE)
