"""The requirements of an input, and the options for reading it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from netdsl.dims import Dim
from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.errors import DataInputError, shown
from netruntime.readers.options import DataOptions, Resize


@dataclass(frozen=True)
class InputSpec:
    """A model's input: its name, its type (symbols are free), and where the `.net` file declares it.

    Its first axis is the batch axis, unless it `is_item`: a single picture `[C, H, W]`.
    """

    name: str
    type: TensorType
    span: Span | None = None
    is_item: bool = False

    @property
    def batch(self) -> tuple[Dim, ...]:
        """The batch axis, if there is one."""
        return () if self.is_item else self.type.shape[:1]

    @property
    def item(self) -> tuple[Dim, ...]:
        """The axes of one row."""
        return self.type.shape if self.is_item else self.type.shape[1:]

    def __str__(self) -> str:
        return f"input {shown(self.name)}"

    def refuse(self, code: str, message: str, *, help: str | None = None) -> DataInputError:
        """An error about data for this input, with the place of its declaration."""
        text = f"{self.name} is {self.type} here" if self.span else ""
        return DataInputError.make(code, message, self.span, text, help=help)


@contextmanager
def declared(wanted: InputSpec) -> Iterator[None]:
    """Add the location of the input's declaration to errors about data that are raised inside."""
    try:
        yield
    except DataInputError as failed:
        first = failed.diagnostics[0]
        if first.labels or wanted.span is None:
            raise
        raise wanted.refuse(first.code, first.message, help=first.help) from failed


@dataclass(frozen=True)
class ImageOptions:
    """How bytes become numbers: `(byte * scale - mean) / std`, one mean and std per channel or for all.

    `scale`, `mean` and `std` apply to float inputs; integer inputs get the bytes 0..255 as they are. Pictures
    of another size than the input's are stretched, or as `resize` says.
    """

    resize: Resize | None = None
    scale: float = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class TextOptions:
    """`tokenizer` is the path of a `tokenizer.json`. Texts are cut to `max_length` tokens, where given, or
    refused where they are longer and `cut` is False.

    `pad_id` fills shorter texts; by default it is the tokenizer's own padding token.
    """

    tokenizer: str | os.PathLike[str] | None = None
    max_length: int | None = None
    pad_id: int | None = None
    cut: bool = True


@dataclass(frozen=True)
class InputOptions:
    """All options for reading an input.

    `sizes` gives free symbols their values for `random`, `zeros` and `ones`, and checks them elsewhere.
    `seed` makes `random` reproducible; each input's name enters, so that two inputs differ.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    allow_nonfinite: bool = False
    image: ImageOptions = field(default_factory=ImageOptions)
    text: TextOptions = field(default_factory=TextOptions)

    @classmethod
    def of(cls, reading: DataOptions, seed: int = 0) -> InputOptions:
        """From the options of data sets."""
        image = ImageOptions(reading.resize, reading.scale, reading.mean, reading.std)
        text = TextOptions(reading.tokenizer, reading.max_length, cut=reading.cut)
        return cls(reading.sizes, seed, reading.allow_nonfinite, image, text)

    @property
    def reading(self) -> DataOptions:
        """The options of data sets that say the same."""
        return DataOptions(
            scale=self.image.scale,
            resize=self.image.resize,
            mean=self.image.mean,
            std=self.image.std,
            tokenizer=self.text.tokenizer,
            max_length=self.text.max_length,
            cut=self.text.cut,
            sizes=self.sizes,
            allow_nonfinite=self.allow_nonfinite,
        )


DEFAULT_OPTIONS = InputOptions()
