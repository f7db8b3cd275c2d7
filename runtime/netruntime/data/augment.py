"""Augmentation of training pictures: a function of seed, epoch and row, so that runs can be resumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from netdsl.diagnostics import suggest
from netdsl.immutable import immutable
from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.data.sampler import uniform
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.pixels.scaling import normalised
from netruntime.readers.table import ColumnInfo

_STATISTICS_ROWS = 512
_SMALLEST_STD = 1e-6
_FLOATS = ("f16", "bf16", "f32", "f64")

Draw = Callable[[int], Array]
"""The n-th random number of each row, in [0, 1), f64 `[B]`."""


class AugmentStep(Protocol):
    """One transformation of pictures `[B, C, H, W]`; it prints as it is written.

    `only_training` steps are skipped in evaluation. `draws` is the number of random numbers per row.
    """

    @property
    def only_training(self) -> bool: ...
    @property
    def draws(self) -> int: ...

    def __call__(self, pictures: Array, draw: Draw, fill: int = 0) -> Array:
        """The pictures, changed; `fill` is what comes in from outside."""
        ...


@immutable
class RandomFlip:
    """Mirrors left and right (`flip`) or top and bottom (`vflip`), with a chance of one half."""

    axis: int = -1
    only_training: bool = True
    draws: int = 1

    def __call__(self, pictures: Array, draw: Draw, fill: int = 0) -> Array:
        chosen = draw(0) < 0.5
        result = pictures.copy()
        result[chosen] = np.flip(pictures[chosen], self.axis)
        return result

    def __str__(self) -> str:
        return "flip" if self.axis == -1 else "vflip"


@immutable
class Shift:
    """Moves each picture by up to `by` pixels on both axes; `edge` fills with its border, else with `fill`.

    With zeros this is the crop from a padded picture of He et al. (2016, section 4.2): `crop=4`.
    """

    by: int
    edge: bool
    only_training: bool = True
    draws: int = 2

    def __call__(self, pictures: Array, draw: Draw, fill: int = 0) -> Array:
        height, width = pictures.shape[-2:]
        border = ((0, 0), (0, 0), (self.by, self.by), (self.by, self.by))
        if self.edge:
            padded = np.pad(pictures, border, mode="edge")
        else:
            padded = np.pad(pictures, border, constant_values=fill)
        top, left = ((draw(n) * (2 * self.by + 1)).astype(np.int64) for n in (0, 1))
        batch = np.arange(len(pictures))[:, None, None]
        rows = (top[:, None] + np.arange(height))[:, :, None]
        columns = (left[:, None] + np.arange(width))[:, None, :]
        result: Array = padded[batch, :, rows, columns].transpose(0, 3, 1, 2)
        return result

    def __str__(self) -> str:
        return f"{'shift' if self.edge else 'crop'}={self.by}"


@immutable
class Normalise:
    """(x - mean) / std for each channel, by default of the training data. Applies in evaluation too."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    only_training: bool = False
    draws: int = 0

    def __call__(self, pictures: Array, draw: Draw, fill: int = 0) -> Array:
        _, channels, height, width = pictures.shape
        return normalised(pictures, (channels, height, width), self.mean, self.std)

    def __str__(self) -> str:
        if not self.mean:
            return "normalise"
        return f"normalise={'|'.join(map(repr, self.mean))}/{'|'.join(map(repr, self.std))}"


@immutable
class Augment:
    """Steps that transform a batch, in order; prints as `parse_augment` reads it."""

    steps: tuple[AugmentStep, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.steps))

    def __call__(
        self,
        rows: dict[str, Array],
        columns: Mapping[str, ColumnInfo],
        indices: Array,
        epoch: int,
        seed: int,
        *,
        fills: Mapping[str, int] | None = None,
    ) -> dict[str, Array]:
        """Apply all steps to a batch, the same to each input that is a picture; integers are not normalised.

        `indices` are the numbers of the rows in their data set; `fills` is what comes into images of classes
        from outside, instead of 0. Raises `DataInputError` E0836 if no input is
        a picture.
        """
        if not self.steps:
            return rows
        names = _picture_names(columns, str(self))
        draws = _Draws(seed, epoch, indices)
        fills = fills or {}
        return rows | {n: self._changed(rows[n], columns[n], draws, fills.get(n, 0)) for n in names}

    def _changed(self, values: Array, info: ColumnInfo, draws: _Draws, fill: int) -> Array:
        assert info.picture is not None
        pictures = values.reshape(len(values), *info.picture)
        start = 0
        for step in self.steps:
            if info.dtype in _FLOATS or not isinstance(step, Normalise):
                pictures = step(pictures, draws.after(start), fill)
            start += step.draws
        return np.ascontiguousarray(pictures).reshape(values.shape).astype(values.dtype, copy=False)

    def fitted(self, train: Dataset | StreamDataset) -> Augment:
        """The same steps, with statistics of the training data if `normalise` needs them.

        The mean and the standard deviation are computed from up to 512 rows, evenly spaced. Raises as
        `Dataset.rows`, and E0836.
        """
        if not any(isinstance(step, Normalise) and not step.mean for step in self.steps):
            return self
        if not isinstance(train, Dataset):
            help = "write the numbers: `normalise=MEAN/DEVIATION`, or give the rows as a list"
            raise DataInputError.make("E0836", "`normalise` needs rows that can be read twice", help=help)
        mean, std = _statistics(train, str(self))
        steps = (
            replace(step, mean=mean, std=std) if isinstance(step, Normalise) and not step.mean else step
            for step in self.steps
        )
        return Augment(tuple(steps))

    def for_evaluation(self) -> Augment:
        """The steps that also apply in evaluation: `normalise`, whose mean must be known.

        Raises `DataInputError` E0836 if it is not.
        """
        if any(isinstance(step, Normalise) and not step.mean for step in self.steps):
            help = "use the numbers from the card.md of the training run: normalise=MEAN/DEVIATION"
            message = "`normalise` without numbers needs training data"
            raise DataInputError.make("E0836", message, help=help)
        return Augment(tuple(step for step in self.steps if not step.only_training))


def parse_augment(text: str) -> Augment:
    """The steps of a text such as `flip,crop=2,shift=1,normalise`.

    `flip` and `vflip` mirror with a chance of one half; `crop=N` takes the picture's size out of itself with
    N zeros around; `shift=N` moves it by up to N pixels, and its border fills the gap; `normalise` uses the
    mean and the standard deviation of the training data, `normalise=0.13/0.31` those given (one for each
    channel: `0.5|0.4|0.4/0.2|0.2|0.3`). Raises `DataInputError` E0835.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return Augment(tuple(_parse_step(part) for part in parts))


def _parse_step(text: str) -> AugmentStep:
    name, _, value = (part.strip() for part in text.partition("="))
    if name in ("flip", "vflip"):
        if value:
            raise DataInputError.make(
                "E0835", f"the step {shown(text)} takes no value", help=f"write `{name}`"
            )
        return RandomFlip(-1 if name == "flip" else -2)
    if name in ("crop", "shift"):
        return Shift(_parse_pixels(name, value), edge=name == "shift")
    if name in ("normalise", "normalize"):
        return _parse_normalise(value)
    known = ("flip", "vflip", "crop", "shift", "normalise")
    help = suggest(name, known) or f"the steps are {', '.join(known)}"
    raise DataInputError.make("E0835", f"there is no step {shown(name)}", help=help)


def _parse_pixels(name: str, value: str) -> int:
    if re.fullmatch(r"[1-9]\d{0,3}", value):
        return int(value)
    found = shown(value) if value else "none"
    message = f"`{name}` needs a number of pixels, but has {found}"
    raise DataInputError.make("E0835", message, help=f"write `{name}=2`")


def _parse_normalise(value: str) -> Normalise:
    if not value:
        return Normalise()
    parts = value.split("/")
    try:
        mean, std = (tuple(float(number) for number in part.split("|")) for part in parts)
    except ValueError as wrong:
        raise _bad_normalise(value) from wrong
    if len(mean) != len(std) or not all(0 < s < np.inf for s in std) or not np.isfinite(mean).all():
        raise _bad_normalise(value)
    return Normalise(mean, std)


def _bad_normalise(value: str) -> DataInputError:
    message = f"`normalise={value}` is not a mean and a standard deviation above 0"
    return DataInputError.make("E0835", message, help="write `normalise`, or `normalise=0.13/0.31`")


@immutable
class _Draws:
    """The random numbers of the rows of a batch."""

    seed: int
    epoch: int
    indices: Array

    def after(self, start: int) -> Draw:
        return lambda number: uniform(self.seed, self.epoch, self.indices, start + number)


def _picture_names(columns: Mapping[str, ColumnInfo], spec: str) -> list[str]:
    names = [name for name, info in columns.items() if info.picture is not None]
    if not names:
        held = ", ".join(f"{shown(name)} {info}" for name, info in columns.items())
        message = f"`{spec}` changes images, but no input is an image: {held}"
        raise DataInputError.make("E0836", message, help="leave out --augment")
    return names


def _statistics(train: Dataset, spec: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of the first picture input of floats."""
    names = [n for n in _picture_names(train.columns, spec) if train.columns[n].dtype.startswith(("f", "bf"))]
    if not names:
        raise DataInputError.make("E0836", "`normalise` needs a float input, but the images are integers")
    picture = train.columns[names[0]].picture
    assert picture is not None
    chosen = np.unique(np.linspace(0, len(train) - 1, min(len(train), _STATISTICS_ROWS)).astype(np.int64))
    values = train.rows(chosen, names[:1])[names[0]].reshape(len(chosen), *picture).astype(np.float64)
    mean, std = values.mean(axis=(0, 2, 3)), np.maximum(values.std(axis=(0, 2, 3)), _SMALLEST_STD)
    return _rounded(mean), _rounded(std)


def _rounded(values: Sequence[float] | Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
