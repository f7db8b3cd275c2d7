"""Makes `training_torch.npz`: three steps of training of five small networks, computed by PyTorch.

python tests/data/make_training_torch.py

Each network of `training_networks.py` trains on one batch after another, in f64, by PyTorch's operators,
gradients and optimizers. Kept of it are the losses, the gradients of the first step, and the last weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from netdsl.graph import build
from netruntime.engine.backends import open_device
from netruntime.engine.binding import bind_inputs
from netruntime.train.phase import trainable
from torch_graphs import TorchGraph
from zoo.training.training_networks import GOLDEN, NETWORKS, STEPS, TrainedNetwork, batches, first_weights

OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda params: torch.optim.SGD(params, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda params: torch.optim.Adam(params, 0.01),
    "adamw": lambda params: torch.optim.AdamW(params, 0.01, weight_decay=0.1),
}


def trained(network: TrainedNetwork) -> dict[str, np.ndarray[Any, Any]]:
    phase = network.phase()
    tensors = {name: torch.tensor(array) for name, array in first_weights(phase).items()}
    labels = trainable(phase)
    optimizer = OPTIMIZERS[network.optimizer]([tensors[label].requires_grad_() for label in labels])
    found = {}
    losses = []
    for step, batch in enumerate(batches(phase)):
        _, sizes = bind_inputs(phase.model, batch, open_device())
        ran = TorchGraph(build(phase.model), sizes, step).run(batch, tensors)
        optimizer.zero_grad()
        ran.outputs["loss"].backward()
        if step == 0:
            found |= {f"gradient/{label}": tensors[label].grad.numpy().copy() for label in labels}
        optimizer.step()
        tensors |= ran.buffers
        losses.append(ran.outputs["loss"].item())
    assert len(losses) == STEPS
    found |= {f"weight/{name}": tensor.detach().numpy() for name, tensor in tensors.items()}
    return {**found, "losses": np.array(losses)}


def main() -> None:
    arrays = {
        f"{network.name}/{name}": array for network in NETWORKS for name, array in trained(network).items()
    }
    np.savez_compressed(GOLDEN, **arrays)
    print(f"{GOLDEN.name}: {len(arrays)} arrays, {GOLDEN.stat().st_size:,} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
