"""Inputs of models for the tests of data."""

from __future__ import annotations

import re

from netdsl.dims import DimLike, symbol
from netdsl.types import TensorType, tensor


def wants(**inputs: str) -> dict[str, TensorType]:
    """Inputs by name from texts: `wants(image="f32[B, 1, 28, 28]", label="i32[B]")`."""
    return {name: _parse(text) for name, text in inputs.items()}


def _parse(text: str) -> TensorType:
    dtype, _, sizes = text.rstrip("]").partition("[")
    dims: list[DimLike] = [int(s) if s.isdigit() else symbol(s) for s in re.split(r",\s*", sizes) if s]
    return tensor(dtype, *dims)
