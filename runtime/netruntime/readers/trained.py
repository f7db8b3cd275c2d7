"""How the data of a training run was read: what weights need to be used on other data in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any

from netdsl.immutable import immutable
from netruntime.errors import DataInputError
from netruntime.files.json_objects import json_text
from netruntime.readers.options import DataOptions

METADATA_KEY = "netdsl.data"
"""The entry of a `.safetensors` file's metadata that holds the description."""

_CARRIED = ("scale", "mean", "std", "resize", "max_length")
"""The options that are taken from the description where they are not set."""


@immutable
class TrainedData:
    """The description of a run's data, which its weights carry as JSON.

    `columns` are those that each input was made from, in order; `classes` and `vocabulary` are in the order
    of their numbers; `pictures` are the sizes `(C, H, W)` of inputs that are pictures; `normalise` is the
    step of `--augment` that also applies after training; `tokenizer` is the SHA-256 of `tokenizer.json`.
    The other fields are those of `DataOptions`.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    vocabulary: tuple[str, ...] | None = None
    pictures: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    normalise: str = ""
    tokenizer: str = ""
    scale: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: str | None = None
    max_length: int | None = None
    cut: bool = False

    def to_json(self) -> str:
        return json_text({"version": 1, **asdict(self)})

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """The mean and the standard deviation of `normalise`; None where it was not used."""
        mean, _, std = self.normalise.rpartition("=")[2].partition("/")
        if not std:
            return None
        return tuple(map(float, mean.split("|"))), tuple(map(float, std.split("|")))

    def applied_to(self, options: DataOptions) -> DataOptions:
        """The options, with what they leave open as it was in training."""
        default = DataOptions()
        carried = {
            name: getattr(self, name)
            for name in _CARRIED
            if getattr(options, name) == getattr(default, name) and name not in ("mean", "std")
        }
        if not options.mean and not options.std:
            carried |= {"mean": self.mean, "std": self.std}
        return replace(
            options,
            **carried,
            cut=options.cut or (self.cut and options.max_length is None),
            columns=options.columns or self.columns,
            pictures=options.pictures or self.pictures,
        )


def read_description(text: str, where: str) -> TrainedData:
    """The description from its JSON; later fields are left out. Raises `DataInputError` E0842."""
    try:
        entries = json.loads(text)
        known = {name: _frozen(entries[name]) for name in TrainedData.__dataclass_fields__ if name in entries}
        data = TrainedData(**known)
        data.applied_to(DataOptions())
    except (ValueError, TypeError, AttributeError, RecursionError) as wrong:
        message = f"the description of the training data in {where} cannot be read: {wrong}"
        help = "remove it to use the weights without; `netrun train` writes it"
        raise DataInputError.make("E0842", message, help=help) from None
    return data


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value
