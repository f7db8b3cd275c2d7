"""Training steps of the networks of `training_cases.py` written in PyTorch, as its users write them.

Those without an idiomatic network here are compared with PyTorch that runs our graph alone. Dropout is left
out, in favour of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_networks import network

if TYPE_CHECKING:
    from zoo.small import Case

Loss = Callable[[nn.Module, dict[str, Tensor]], Tensor]


class Classified(nn.Module):
    """The class of a sequence from the last state of a recurrent layer; ours has one bias, PyTorch two."""

    def __init__(self, kind: type[nn.RNN] | type[nn.LSTM]) -> None:
        super().__init__()
        self.rnn, self.out = kind(8, 32, batch_first=True), nn.Linear(32, 4)

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
        state = self.rnn(packed)[1]
        return self.out((state[0] if isinstance(state, tuple) else state)[0])


class Forecast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(8, 32, 2, batch_first=True), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0])


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(10000, 100), nn.Linear(256, 17)
        self.rnn = nn.LSTM(100, 128, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, length: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embed(words), length, batch_first=True, enforce_sorted=False)
        return self.out(pad_packed_sequence(self.rnn(packed)[0], True, total_length=words.shape[1])[0])


def _classes(*inputs: str) -> Loss:
    """The cross-entropy of the labels."""

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits = model(*(batch[name] for name in inputs))
        return F.cross_entropy(logits.flatten(0, -2), batch["label"].flatten().long())

    return loss


def _squares(*inputs: str) -> Loss:
    """The mean squared distance to the target."""
    return lambda model, batch: F.mse_loss(model(*(batch[name] for name in inputs)), batch["target"])


def _cosine(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    embedding = model(batch["ids"], batch["keep"], batch["segment"])[1]
    return 1 - F.cosine_similarity(embedding, batch["meant"]).mean()


PICTURES = ("mlp", "lenet5", "alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "vit")
STEPS: dict[str, tuple[Callable[[], nn.Module], Loss]] = {
    **{name: (lambda name=name: network(name), _classes("image")) for name in PICTURES},  # type: ignore[misc]
    "rnn": (lambda: Classified(nn.RNN), _classes("x", "length")),
    "lstm": (lambda: Classified(nn.LSTM), _classes("x", "length")),
    "gru": (Forecast, _squares("x")),
    "bilstm_tagger": (Tagger, _classes("words", "length")),
    "transformer_encoder": (lambda: network("encoder"), _squares("x", "keep")),
    "gpt2": (lambda: network("gpt2"), _classes("ids")),
    "minilm": (lambda: network("minilm"), _cosine),
}
"""For each example, its module and its loss."""


def step_of(case: Case, compiled: Callable[[nn.Module], Any]) -> tuple[Callable[[], None], int]:
    """A training step by Adam, and how many numbers it trains.

    Raises:
        NotImplementedError: where there is no idiomatic network.
    """
    if case.file not in STEPS:
        raise NotImplementedError(f"there is no module of PyTorch for {case.file}")
    torch.manual_seed(0)
    make, loss = STEPS[case.file]
    model = make().train()
    run = compiled(model)
    batch = {name: torch.from_numpy(array) for name, array in case.batch().items()}
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss(run, batch).backward()
        optimizer.step()

    return step, sum(parameter.numel() for parameter in model.parameters())
