"""A LeNet-5 learns handwritten digits, and names some that it has never seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from demo import places
from netruntime.data import DataOptions
from netruntime.engine.loading import load
from netruntime.engine.network import Network
from netruntime.files.arrays import Array
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input
from netruntime.readers.pixels.resize import resize_pictures
from netruntime.train.progress import TrainingProgress
from netruntime.train.progress.pictures import confusion_table, confusion_text, half_blocks, shade_text
from netruntime.train.run import TrainRequest, prepare

AUGMENT = "shift=2"
HOLDOUT = 0.2
SEED = 0
"""Also chooses the rows that are held out; the pictures `digit-0.png` to `digit-9.png` are some of them."""
IN_A_ROW = 5


@dataclass(frozen=True)
class Learnt:
    """What a run taught: the network, and how it does on the `rows` held out.

    `confusion` is i64 [classes, classes]: rows are the true classes, columns those that the network says.
    """

    network: Network
    accuracy: float
    confusion: Array
    rows: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """A picture f32 [H, W], the class the network gives it, and the chance it gives that class."""

    picture: Array
    digit: int
    chance: float


def learn_digits(console: Console, epochs: int | None = None) -> Learnt:
    """Train the example lenet5.net on the digits that travel with it, shown as `netrun train` shows it.

    `epochs` is the file's where it is not given. Raises `NetError` E0613 and `DataInputError` where the
    examples are not beside the package.
    """
    began = time.perf_counter()
    request = TrainRequest(
        places.example("lenet5"),
        places.data("digits.npz"),
        holdout=HOLDOUT,
        settings={"seed": SEED, "epochs": epochs},
        options=DataOptions(resize="stretch"),
        augment=AUGMENT,
    )
    with prepare(request) as run, TrainingProgress(console) as progress:
        run.loop.watchers = [progress]
        progress.start(run.loop.length.total_steps, run.settings.epochs)
        run.loop.run()
    assert run.valid is not None
    (figures,) = run.loop.history[-1].valid.values()
    network = load(request.source, run.trainer.host_weights())
    seconds = time.perf_counter() - began
    confusion = np.asarray(figures["confusion"]).astype(np.int64)
    return Learnt(network, float(figures["accuracy"]), confusion, len(run.valid), seconds)


def name_digits(network: Network, paths: Sequence[Path]) -> list[Answer]:
    """What a network for digits says of pictures in files.

    Raises `DataInputError` for files that are not there or no pictures, and `MissingExtraError` E0901
    without Pillow.
    """
    (wanted,) = (InputSpec(name, type_) for name, type_ in network.model.inputs.items())
    pictures = np.concatenate([read_input(str(path), wanted) for path in paths])
    logits = np.asarray(network(**{wanted.name: pictures}))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = powers / powers.sum(axis=1, keepdims=True)
    return [
        Answer(picture[0], int(row.argmax()), float(row.max()))
        for picture, row in zip(pictures, chances, strict=True)
    ]


def confusion(console: Console, matrix: Array) -> RenderableType:
    """A confusion matrix, in colours where the console has them."""
    return confusion_table(matrix) if console.is_terminal else Text(confusion_text(matrix))


def answers(console: Console, found: Sequence[Answer]) -> Table:
    """Pictures side by side, and below each what the network says it is."""
    table = Table.grid(padding=(0, 2 if console.is_terminal else 0))
    shown = [_answer(console, answer) for answer in found]
    for start in range(0, len(shown), IN_A_ROW):
        table.add_row(*shown[start : start + IN_A_ROW])
    return table


def _answer(console: Console, answer: Answer) -> Group:
    size = 14 if console.is_terminal else 8
    small = resize_pictures(answer.picture[None, None], size, size, "stretch")[0, 0]
    drawn = half_blocks(small) if console.is_terminal else Text(shade_text(small))
    said = Text.assemble((f"{answer.digit}", "bold"), f"  {answer.chance:.1%}")
    return Group(drawn, said, "")
