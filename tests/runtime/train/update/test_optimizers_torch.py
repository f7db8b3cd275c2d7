"""The optimizers step by step next to PyTorch's.

`NETDSL_UPDATE=1 pytest tests/runtime/train/update/test_optimizers_torch.py` records PyTorch's trajectories
in `tests/data/optimizers_torch.npz`, against which `test_optimizers.py` compares where PyTorch is absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_cases import KEPT, STEPS, TORCH, data, first_weights, flat, our_arguments, trajectory

from netruntime.train.update.optimizers import make_optimizer

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")

GOLDEN = Path(__file__).parents[3] / "data" / "optimizers_torch.npz"


@pytest.fixture(autouse=True)
def _in_f64() -> Iterator[None]:
    """NAdam keeps its product of momenta in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def torch_trajectory(kind: str, arguments: dict[str, Any]) -> list[np.ndarray]:
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in first_weights().items()}
    optimizer = getattr(torch.optim, kind)(list(weights.values()), **arguments)
    x, y = (torch.tensor(array) for array in data())
    path = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        hidden = torch.tanh(x @ weights["a.w"] + weights["a.b"])
        out = weights["scale"] * (hidden @ weights["b.w"] + weights["b.b"])
        ((out - y) ** 2).mean().backward()
        optimizer.step()
        path.append(flat({name: weight.detach().numpy().copy() for name, weight in weights.items()}))
    return path


@pytest.mark.parametrize("case", TORCH)
def test_every_step_is_that_of_torch(case: str) -> None:
    kind, arguments = TORCH[case]
    ours = trajectory(make_optimizer(case.split()[0], our_arguments(arguments)))
    for step, (weights, theirs) in enumerate(zip(ours, torch_trajectory(kind, arguments), strict=True), 1):
        np.testing.assert_allclose(flat(weights), theirs, rtol=1e-10, atol=1e-13, err_msg=f"step {step}")


def test_the_recorded_trajectories_are_those_of_torch() -> None:
    paths = {case: torch_trajectory(*TORCH[case]) for case in TORCH}
    kept = {case: np.stack([path[step - 1] for step in KEPT]) for case, path in paths.items()}
    if os.environ.get("NETDSL_UPDATE") == "1":
        np.savez_compressed(GOLDEN, **kept)
    with np.load(GOLDEN) as golden:
        assert set(golden) == set(kept)
        for case, values in kept.items():
            np.testing.assert_allclose(golden[case], values, rtol=1e-11, atol=1e-14)
