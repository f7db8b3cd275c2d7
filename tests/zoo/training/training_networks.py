"""Five small networks that train, with the batches they see: for golden numbers made by PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.checker import check
from netdsl.graph import build
from netdsl.model import Phase
from netruntime.engine.loading import open_module
from netruntime.engine.weights import parameters

Array = np.ndarray[Any, Any]

GOLDEN = Path(__file__).parents[2] / "data" / "training_torch.npz"
STEPS = 3
SETTINGS = {
    "sgd": "sgd(0.1, momentum=0.9, nesterov=true)",
    "adam": "adam(0.01)",
    "adamw": "adamw(0.01, weight_decay=0.1)",
}


@dataclass(frozen=True)
class TrainedNetwork:
    """A model in f64 on an input `x` or `ids`, and the optimizer that trains it to name classes.

    Args:
        labels: The shape of the labels, as the file writes it.
    """

    name: str
    optimizer: str
    model: str
    labels: str = "[B]"

    def phase(self) -> Phase:
        text = (
            f"net 1.0\nmodel Small{self.model}\ntrain {{\n  input label: i32{self.labels}\n"
            f"  loss = cross_entropy(logits, label)\n  optimizer = {SETTINGS[self.optimizer]}\n}}\n"
        )
        (phase,) = check(open_module(text), training=True).phases
        return phase


NETWORKS = [
    TrainedNetwork(
        "mlp",
        "sgd",
        "(x: f64[B, 6]) -> logits: f64[B, 3] { return x -> mlp: MLP([8, 5, 3], act=gelu) }",
    ),
    TrainedNetwork(
        "convolutions",
        "adam",
        """(x: f64[B, 2, 8, 8]) -> logits: f64[B, 3] {
  return x
    -> conv1: Conv(3, 3, pad=1) -> tanh -> AvgPool(2)
    -> conv2: Conv(4, 3, stride=2, pad=1) -> relu -> MaxPool(2)
    -> flatten -> fc: Linear(3)
}""",
    ),
    TrainedNetwork(
        "lstm",
        "adam",
        """(x: f64[B, T, 4]) -> logits: f64[B, 3] {
  _, h, _ = x -> lstm: scan LSTM(5) states
  return h -> out: Linear(3)
}""",
    ),
    TrainedNetwork(
        "transformer",
        "adamw",
        """(ids: i32[B, T]) -> logits: f64[B, T, 3] {
  return ids
    -> embed: Embedding(7, 8, dtype=f64) -> SinusoidalPositions
    -> encoder: EncoderLayer(2, 12, act=gelu, causal=true, dropout=0.2) * 2
    -> out: Linear(3)
}""",
        labels="[B, T]",
    ),
    TrainedNetwork(
        "batch_norm",
        "sgd",
        """(x: f64[B, 2, 6, 6]) -> logits: f64[B, 3] {
  return x
    -> a: ConvBN(4) -> relu
    -> residual { b: ConvBN(4) -> relu -> c: ConvBN(4) } -> relu
    -> global_avg_pool -> out: Linear(3)
}""",
    ),
]


def first_weights(phase: Phase) -> dict[str, Array]:
    """Weights from NumPy's own generator, so that they stay what they are; variances are above 0."""
    rng = np.random.default_rng(17)
    found = {}
    for path, (_, type_) in sorted(parameters(build(phase.model)).items()):
        array = rng.uniform(-0.6, 0.6, [size.value for size in type_.shape])
        found[path] = np.abs(array) + 0.3 if path.endswith("running_var") else array
    return found


def batches(phase: Phase) -> Iterator[dict[str, Array]]:
    """The batch of each step: four rows, with sequences of five steps."""
    sizes = {"B": 4, "T": 5}
    rng = np.random.default_rng(23)
    for _ in range(STEPS):
        batch = {}
        for name, type_ in phase.model.inputs.items():
            shape = [size.evaluate(sizes) for size in type_.shape]
            whole = rng.integers(0, 3 if name == "label" else 7, shape).astype(np.int32)
            batch[name] = rng.normal(size=shape) if type_.dtype.is_float else whole
        yield batch
