"""The options that control how data becomes a model's inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np

from netdsl.diagnostics import with_article
from netdsl.dims import Dim, SizeOverflowError
from netdsl.immutable import immutable
from netdsl.source import Span
from netruntime.errors import ArgumentError
from netruntime.files.arrays import Array

Resize = Literal["stretch", "fit", "crop"]
"""How an image is resized: `stretch` scales each axis independently; `fit` scales to fit inside, padded with
zeros; `crop` scales the shorter side to fit and crops the centre."""

IGNORED_LABEL = -1
"""The label of padding; `cross_entropy(..., ignore=-1)` leaves it out."""

LABEL_WORDS = frozenset({"label", "target", "next", "tag", "class", "y"})

DEFAULT_WINDOW = 64

BYTE_SCALE = 1 / 255


@immutable
class LabelSpec:
    """What the losses and metrics say of a label.

    `ignore` is the value that does not count in any of them, None where there is none; `ignored` are those
    that do not count in some. `pad` fills shorter rows; it is None where anything would count, as numbers
    that meet no mask if `needs_mask`. `classes` is the number of classes, if it is fixed; `scores`
    says in messages where that comes from, and `span` where it is declared. `values` says which values its
    `loss` takes, such as `0 or 1, or a probability`.
    """

    ignore: int | None = IGNORED_LABEL
    pad: int | None = IGNORED_LABEL
    classes: int | None = None
    scores: str = ""
    span: Span | None = None
    values: str = ""
    loss: str = ""
    ignored: tuple[int, ...] = ()
    needs_mask: bool = False

    def is_class(self, labels: Array) -> Array:
        """Whether each of some labels counts, that is, is not the ignored one."""
        if self.ignore is None:
            return np.ones(labels.shape, np.bool_)
        return np.asarray(labels != self.ignore)


@immutable
class DataOptions:
    """How data is read and made to fit.

    Pictures: bytes (u8) for an input of floats are multiplied by `scale`, by default 1/255, which makes
    0..255 into 0..1; `scale=1` leaves them. Labels are never scaled. `mean` and `std`, one for each channel
    or one for all, are then subtracted and divided by. `normalise` is a mean and a standard deviation for
    pictures of floats, whatever they were read from: that of `--augment normalise` in training. Pictures of
    bytes of another size than the input's are stretched to it, or as `resize` says; arrays of other numbers
    are refused unless `resize` is given.

    Labels: `classes` is how many there are, for every integer label or by name; labels beyond are refused.
    `class_names` fixes the numbers of named classes (folders, words in a table), so that data for validation
    is numbered as the training data was. `strict` makes a class that is missing in validation an error.

    `label_specs` says for labels by name which value is ignored; it also fills shorter rows. By default that
    is -1.

    `label_names` are the inputs that are labels (those of a `train` section); by default those called
    `label`, `target`, `next`, `tag`, `class` or `y`, their plurals, or ending in `_label` and so on.

    Sequences: rows longer than `max_length` are refused, or cut to it where `cut` is set. `pad` fills the
    ids of shorter ones; by default it is the tokenizer's padding token, or 0. Text is read as characters
    of `vocabulary` (by default those of the text, sorted), or as tokens of the `tokenizer` (the path of a
    `tokenizer.json`), in windows of `window` ids that begin every `stride` (by default `window`). `begin`
    and `end` are the ids that translations begin and end with; by default they are the tokenizer's own,
    or 1 and 2 where words are numbered by the data itself.

    `columns` are the columns that inputs were made from in training, in their order: they are found by name,
    wherever they are. `pictures` are the sizes `(C, H, W)` of pictures in training.

    `sizes` gives free symbols of the inputs their values. `allow_nonfinite` lets NaN and infinity pass.
    """

    scale: float | None = None
    resize: Resize | None = None
    classes: int | Mapping[str, int] | None = None
    class_names: tuple[str, ...] | None = None
    label_names: frozenset[str] | None = None
    label_specs: Mapping[str, LabelSpec] = field(default_factory=dict)
    strict: bool = False
    max_length: int | None = None
    cut: bool = False
    pad: int | None = None
    vocabulary: tuple[str, ...] | None = None
    tokenizer: str | os.PathLike[str] | None = None
    window: int | None = None
    stride: int | None = None
    begin: int | None = None
    end: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    allow_nonfinite: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    normalise: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def factor(self) -> float:
        """What bytes are multiplied by."""
        return BYTE_SCALE if self.scale is None else self.scale

    def with_sizes(self, dims: Sequence[Dim]) -> tuple[Dim, ...]:
        """Axes with the values that `sizes` gives their symbols."""
        try:
            return tuple(dim if dim.is_fixed else dim.substitute(self.sizes) for dim in dims)
        except (ZeroDivisionError, SizeOverflowError):  # reported where the sizes are bound
            return tuple(dims)

    def label_spec(self, name: str) -> LabelSpec:
        """What is known of the label input of this name, with the number of classes that is set for it."""
        spec = self.label_specs.get(name, LabelSpec())
        count = self.classes.get(name) if isinstance(self.classes, Mapping) else self.classes
        if count is None:
            return spec
        return replace(spec, classes=count, scores="", span=None, values="", loss="")

    @property
    def label_columns(self) -> frozenset[str]:
        """The columns that hold labels: those of training, and those called as the labels."""
        labels = self.label_names or frozenset()
        return labels.union(*(self.columns.get(name, ()) for name in labels))

    def is_label(self, name: str) -> bool:
        """Whether the input of this name is a label."""
        if self.label_names is not None:
            return name in self.label_names
        word = name.rpartition("_")[2]
        return word in LABEL_WORDS or word.removesuffix("s") in LABEL_WORDS


DEFAULT_OPTIONS = DataOptions()


def check_options(options: Any) -> None:
    """Raise `NetError` E0870 for what is neither `DataOptions` nor None."""
    if options is not None and not isinstance(options, DataOptions):
        message = f"`options` must be `DataOptions`, but is {with_article(type(options).__name__)}"
        raise ArgumentError.make("E0870", message, help="netruntime.data.DataOptions(..) makes them")
