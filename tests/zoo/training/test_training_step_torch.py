"""Steps of training of every example against PyTorch: the loss, the updated weights, the running statistics.

In f64, from the same weights, batches and random numbers; PyTorch's optimizers update its weights by its own
gradients. The changes of the weights are compared, relative to the largest of each tensor. Adam divides each
gradient by its own size, and with it the rounding of those that are nearly 0: hence its tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")

from netdsl.checker import check  # noqa: E402
from netdsl.graph import build  # noqa: E402
from netruntime.engine.backends import open_device  # noqa: E402
from netruntime.engine.binding import bind_inputs  # noqa: E402
from netruntime.engine.loading import open_module  # noqa: E402
from netruntime.train.initial_weights import first_weights  # noqa: E402
from netruntime.train.phase import Length, PhaseTrainer, trainable  # noqa: E402
from torch_graphs import TorchGraph  # noqa: E402
from zoo.small import CASES, IDS, Case, varied  # noqa: E402

STEPS = 2
SEED = 5
LENGTH = Length(STEPS, STEPS)
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd(0.1, momentum=0.9)": lambda params: torch.optim.SGD(params, 0.1, momentum=0.9),
    "adam(0.01)": lambda params: torch.optim.Adam(params, 0.01),
    "adamw(0.01, weight_decay=0.1)": lambda params: torch.optim.AdamW(params, 0.01, weight_decay=0.1),
}
TOLERANCES = {"sgd": 1e-9, "adam": 1e-5, "adamw": 1e-5}
Arrays = dict[str, np.ndarray[Any, Any]]


def ours(case: Case, optimizer: str) -> tuple[Any, Arrays, Callable[[Arrays], list[float]]]:
    """The phase, its first weights, and what trains weights in place and gives the losses."""
    text = case.training_text(f"  optimizer = {optimizer}", "f64")
    (phase,) = check(open_module(text), case.config, training=True).phases
    weights = varied(first_weights([phase], SEED).arrays)

    def train(weights: Arrays) -> list[float]:
        device = open_device()
        there = {name: device.array(array) for name, array in weights.items()}
        state = PhaseTrainer(phase, there, device)
        batches = [case.batch(step, "float64") for step in range(STEPS)]
        updates = [state.update_weights([b], there, [SEED + n], LENGTH) for n, b in enumerate(batches)]
        weights |= {name: device.numpy(array) for name, array in there.items()}
        return [update.outcomes[0].loss for update in updates]

    return phase, weights, train


def theirs(case: Case, phase: Any, weights: Arrays, make: Callable[[Any], Any]) -> tuple[Arrays, list[float]]:
    """The weights and the losses of the same steps in PyTorch."""
    tensors = {name: torch.tensor(array) for name, array in weights.items()}
    trained = [tensors[name].requires_grad_() for name in trainable(phase)]
    optimizer = make(trained)
    graph = build(phase.model)
    losses = []
    for step in range(STEPS):
        batch = {n: a for n, a in case.batch(step, "float64").items() if n in phase.model.inputs}
        _, sizes = bind_inputs(phase.model, batch, open_device())
        ran = TorchGraph(graph, sizes, SEED + step).run(batch, tensors)
        optimizer.zero_grad()
        ran.outputs["loss"].backward()
        optimizer.step()
        tensors |= ran.buffers
        losses.append(ran.outputs["loss"].item())
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}, losses


def assert_same_change(before: Arrays, after: Arrays, expected: Arrays, tolerance: float) -> None:
    """Equal relative to the largest change of each tensor, or to a hundredth of the largest of all."""
    changes = {name: np.abs(expected[name] - before[name]).max() for name in before}
    least = 1e-2 * max(changes.values())
    for name, change in changes.items():
        difference = np.abs(after[name] - expected[name]).max() / max(change, least)
        assert difference <= tolerance, (
            f"{name} differs by {difference:.1e} of its largest change {change:.3g}"
        )


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adam", "adamw"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_steps_agree(case: Case, optimizer: str) -> None:
    phase, weights, train = ours(case, optimizer)
    expected, expected_losses = theirs(case, phase, weights, OPTIMIZERS[optimizer])
    after = {name: array.copy() for name, array in weights.items()}
    np.testing.assert_allclose(train(after), expected_losses, rtol=1e-9)
    unchanged = [name for name in trainable(phase) if np.all(expected[name] == weights[name])]
    assert all(name.endswith("wk.bias") for name in unchanged)  # it moves all scores of a softmax alike
    assert_same_change(weights, after, expected, TOLERANCES[optimizer.partition("(")[0]])
