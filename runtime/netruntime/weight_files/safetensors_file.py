"""Reading `.safetensors` files: the header is checked at once, the numbers are mapped and read when used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import NUMPY_NAMES, Array, ArrayInfo
from netruntime.files.beginnings import HEAD
from netruntime.files.opening import near_file
from netruntime.weight_files.safetensors_header import TensorHeader, header_length, parse_header
from netruntime.weight_files.weight_file import WeightFile

SUFFIXES = (".safetensors", ".npz")
"""The files of weights that an error proposes."""


class SafetensorsFile(WeightFile):
    """A `.safetensors` file mapped read-only into memory.

    Arrays are read-only views of the file, except where a copy is unavoidable: `bf16` becomes float32,
    and a tensor that lies at an unaligned place is copied. Replacing the file (as `write_weights` does)
    leaves an open mapping as it was; shortening the file in place crashes a process that has it open.
    """

    def __init__(self, path: Path) -> None:
        """Raises `WeightsError`: E0701 if the file cannot be opened, E0703 to E0709 if it is damaged."""
        header, start = _read_header(path)
        super().__init__(str(path), header.metadata)
        self._entries = header.entries
        self._bytes = _map(path)[start:]

    def __getitem__(self, name: str) -> Array:
        entry = self._entries[name]
        raw = self._bytes[entry.begin : entry.end]
        if entry.info.dtype == "bf16":
            return _widen_bf16(raw).reshape(entry.info.shape)
        stored = np.dtype(NUMPY_NAMES[entry.info.dtype]).newbyteorder("<")
        array = raw.view(stored).reshape(entry.info.shape)
        if array.flags.aligned and stored.isnative:
            return array
        return array.astype(stored.newbyteorder("="))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def describe(self, name: str) -> ArrayInfo:
        return self._entries[name].info


def cannot_open(path: Path, reason: OSError) -> WeightsError:
    """The error for a weights file that the system does not let us read."""
    message = f"cannot read the weights {shown(path)}: {reason.strerror or reason}"
    help = _near_weights(path) if isinstance(reason, FileNotFoundError) else None
    return WeightsError.make("E0701", message, help=help)


def _near_weights(path: Path) -> str | None:
    if str(path) == "random":  # what the commands call it
        return "without `weights` they are random, drawn from `seed`"
    return near_file(path, lambda other: other.is_dir() or other.suffix.lower() in SUFFIXES)


def _read_header(path: Path) -> tuple[TensorHeader, int]:
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            length = header_length(str(path), stream.read(HEAD), size)
            stream.seek(8)
            raw = stream.read(length)
    except OSError as reason:
        raise cannot_open(path, reason) from reason
    start = 8 + length
    return parse_header(str(path), raw, size - start), start


def _map(path: Path) -> Array:
    try:
        return np.asarray(np.memmap(path, np.uint8, mode="r"))
    except OSError as reason:
        raise cannot_open(path, reason) from reason


def _widen_bf16(raw: Array) -> Array:
    """bfloat16 is the upper half of float32's bits."""
    return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
