"""Writing the `.safetensors` format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from netruntime.files.arrays import Array, short_name
from netruntime.weight_files.safetensors_header import STORED_DTYPES

_STORED_NAMES = {short: stored for stored, short in STORED_DTYPES.items()}


def write_safetensors(stream: BinaryIO, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays of readable element types; the same arrays always give the same bytes.

    Larger elements come first and the header is padded to 8 bytes, so that every array lies aligned.
    """
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    at = 0
    for name in names:
        header[name] = _entry(arrays[name], at)
        at += arrays[name].nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little"))
    stream.write(text)
    for name in names:
        stream.write(_raw_bytes(arrays[name]))


def _entry(array: Array, at: int) -> dict[str, Any]:
    stored = _STORED_NAMES[short_name(array.dtype) or ""]
    return {"dtype": stored, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}


def _raw_bytes(array: Array) -> memoryview:
    """The numbers row by row and little-endian, whatever the array's own layout."""
    plain = np.asarray(array, order="C")
    if plain.dtype.name != "bfloat16":  # ml_dtypes' type has the machine's byte order only
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return plain.reshape(-1).view(np.uint8).data
