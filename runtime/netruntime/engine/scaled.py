"""Bytes that are passed to a network: scaled by the rule of the commands, or as its weights were trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netdsl.model import Checked
from netdsl.targets import label_names
from netdsl.types import TensorType
from netruntime.engine.weights import WeightOrigin
from netruntime.errors import DataWarning
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.scaling import scale_array, unscaled_note
from netruntime.readers.trained import METADATA_KEY, read_description

_CALLER = 4
"""The frames between a warning here and the call of the network."""


def scaled_inputs(
    inputs: Mapping[str, Any], types: Mapping[str, TensorType], options: DataOptions
) -> dict[str, Any]:
    """The inputs, with bytes for floats scaled; a `DataWarning` says what was done."""
    scaled = dict(inputs)
    for name, type_ in types.items():
        value: Any = inputs.get(name)
        if type_.dtype.is_float and str(getattr(value, "dtype", "")) == "uint8":
            scaled[name], notes = scale_array(value, InputSpec(name, type_), options)
            for note in notes:
                warnings.warn(f"`{name}`: {note}", DataWarning, stacklevel=_CALLER)
    return scaled


def warn_unscaled(inputs: Mapping[str, Any], types: Mapping[str, TensorType], options: DataOptions) -> None:
    """Warn (`DataWarning`) of images in the range of bytes, for weights that were trained on bytes.

    Only arrays of NumPy are looked at: looking at those of a GPU waits for it.
    """
    for name, picture in options.pictures.items():
        if name in types and isinstance(value := inputs.get(name), np.ndarray):
            for note in unscaled_note(value, picture, InputSpec(name, types[name]), options):
                warnings.warn(f"`{name}`: {note}", DataWarning, stacklevel=_CALLER - 1)


def reading_of(checked: Checked, origin: WeightOrigin) -> DataOptions:
    """How the data was read that weights were trained on, as far as they carry it.

    Raises `DataInputError` E0842 for a description that cannot be read.
    """
    options = DataOptions(label_names=label_names(checked.phases))
    text = origin.metadata.get(METADATA_KEY)
    if text is None:
        return options
    known = read_description(text, origin.text)
    return replace(known.applied_to(options), normalise=known.normalisation)
