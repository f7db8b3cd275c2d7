"""Training against numbers that PyTorch made: see `tests/data/make_training_torch.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netruntime.engine.backends import open_device
from netruntime.train.phase import Length, PhaseTrainer
from zoo.training.training_networks import GOLDEN, NETWORKS, STEPS, TrainedNetwork, batches, first_weights

Array = np.ndarray[Any, Any]
IDS = [network.name for network in NETWORKS]


@pytest.fixture(scope="module")
def golden() -> dict[str, Array]:
    with np.load(GOLDEN, allow_pickle=False) as file:
        return dict(file)


def part(golden: dict[str, Array], network: TrainedNetwork, kind: str) -> dict[str, Array]:
    prefix = f"{network.name}/{kind}/"
    return {name.removeprefix(prefix): array for name, array in golden.items() if name.startswith(prefix)}


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_gradients_of_the_first_step(golden: dict[str, Array], network: TrainedNetwork) -> None:
    phase = network.phase()
    device = open_device()
    weights = {name: device.array(weight) for name, weight in first_weights(phase).items()}
    outcome = PhaseTrainer(phase, weights, device).loss_graph.compute(next(batches(phase)), weights, 0)
    expected = part(golden, network, "gradient")
    assert outcome.gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(outcome.gradients[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_weights_after_three_steps(golden: dict[str, Array], network: TrainedNetwork) -> None:
    """Running statistics among them. Adam enlarges the rounding of gradients near 0: hence 1e-7."""
    phase = network.phase()
    device = open_device()
    weights = {name: device.array(weight) for name, weight in first_weights(phase).items()}
    state = PhaseTrainer(phase, weights, device)
    updates = [
        state.update_weights([batch], weights, [step], Length(STEPS, STEPS))
        for step, batch in enumerate(batches(phase))
    ]
    losses = [update.outcomes[0].loss for update in updates]
    np.testing.assert_allclose(losses, golden[f"{network.name}/losses"], rtol=1e-9)
    expected = part(golden, network, "weight")
    assert weights.keys() == expected.keys()
    first = first_weights(phase)
    for name, weight in expected.items():
        assert np.abs(weight - first[name]).max() > 1e-4 or name.endswith("wk.bias")
        np.testing.assert_allclose(weights[name], weight, rtol=0, atol=1e-7, err_msg=name)
