"""What an input must be, and how the readers may make it so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.errors import DataInputError, shown

Resize = Literal["stretch", "fit", "crop"]
"""How an image comes to the input's size: `stretch` each axis by itself; `fit` inside, with black bars;
`crop` the middle, after the shorter side fits."""


@dataclass(frozen=True)
class InputSpec:
    """A model's input: its name, its type (symbols are free), and where the `.net` file declares it."""

    name: str
    type: TensorType
    span: Span | None = None

    def __str__(self) -> str:
        return f"input {shown(self.name)}"

    def refuse(self, code: str, message: str, *, help: str | None = None) -> DataInputError:
        """An error about data for this input, with the place of its declaration."""
        text = f"{self.name} is {self.type} here" if self.span else ""
        return DataInputError.make(code, message, self.span, text, help=help)


@dataclass(frozen=True)
class ImageOptions:
    """How pixels become numbers: `(pixel * scale - mean) / std`, one mean and std per channel or for all.

    `scale`, `mean` and `std` apply to float inputs; integer inputs get the bytes 0..255 as they are.
    """

    resize: Resize = "stretch"
    scale: float = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class TextOptions:
    """`tokenizer` is the path of a `tokenizer.json`. Texts are cut to `max_length` tokens, where given.

    `pad_id` fills shorter texts; by default it is the tokenizer's own padding token.
    """

    tokenizer: str | os.PathLike[str] | None = None
    max_length: int | None = None
    pad_id: int | None = None


@dataclass(frozen=True)
class InputOptions:
    """Everything that may steer the reading of an input.

    `sizes` gives free symbols their values for `random`, `zeros` and `ones`, and checks them elsewhere.
    `seed` makes `random` reproducible; each input's name enters, so that two inputs differ.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    allow_nonfinite: bool = False
    image: ImageOptions = field(default_factory=ImageOptions)
    text: TextOptions = field(default_factory=TextOptions)


DEFAULT_OPTIONS = InputOptions()
