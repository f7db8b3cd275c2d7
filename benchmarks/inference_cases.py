"""The networks that `inference.py` runs, with their inputs. Only NumPy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from draws import Array, Draw, below, floats, kept

EXAMPLES = Path(__file__).parent.parent / "examples"
LSTM = """net 1.0
model Lstm(x: f32[B, T, 512]) -> y: f32[B, T, 512] {
  return x -> rnn: Recurrent(LSTM(512), layers=2)
}
"""


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Args:
        net: The name of an example, or the text of a `.net` file.
        torch: The name of the network in `torch_networks.py`.
        inputs: How each input is drawn, in the order of the network's arguments in PyTorch.
        prefix: For generation, the tokens before the one that is measured.
    """

    name: str
    net: str
    torch: str
    inputs: Mapping[str, Draw] = field(default_factory=dict)
    prefix: int = 0

    @property
    def source(self) -> str | Path:
        return self.net if "\n" in self.net else EXAMPLES / f"{self.net}.net"

    @property
    def key(self) -> str:
        """The name of its files."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())

    def arrays(self) -> dict[str, Array]:
        rng = np.random.default_rng(0)
        return {name: draw(rng) for name, draw in self.inputs.items()}


def picture(name: str, net: str, batch: int, *shape: int) -> Case:
    return Case(f"{name} b{batch}", net, net, {"image": floats(batch, *(shape or (3, 224, 224)))})


def encoder(batch: int) -> Case:
    inputs = {"x": floats(batch, 128, 512), "keep": kept(batch, 128)}
    return Case(f"encoder 6x512, S=128, b{batch}", "transformer_encoder", "encoder", inputs)


def lstm(batch: int) -> Case:
    return Case(f"LSTM 2x512, T=100, b{batch}", LSTM, "lstm", {"x": floats(batch, 100, 512)})


CASES = [
    picture("LeNet-5", "lenet5", 1, 1, 28, 28),
    picture("LeNet-5", "lenet5", 64, 1, 28, 28),
    picture("MLP", "mlp", 128, 28, 28),
    picture("AlexNet", "alexnet", 1),
    picture("VGG-16", "vgg16", 1),
    picture("ResNet-18", "resnet18", 1),
    picture("ResNet-50", "resnet50", 1),
    picture("ResNet-50", "resnet50", 8),
    picture("GoogLeNet", "googlenet", 1),
    picture("ViT-B/16", "vit", 1),
    lstm(1),
    lstm(16),
    encoder(1),
    encoder(8),
    Case(
        "MiniLM 8x13",
        "minilm",
        "minilm",
        {"ids": below(30522, 8, 13), "keep": kept(8, 13), "segment": below(2, 8, 13)},
    ),
    Case("GPT-2 small, 64 tokens", "gpt2", "gpt2", {"ids": below(50257, 1, 64)}),
    Case("GPT-2 small, a token after 512", "gpt2", "gpt2", {"ids": below(50257, 1, 512)}, prefix=512),
]
BY_NAME = {case.name: case for case in CASES}
