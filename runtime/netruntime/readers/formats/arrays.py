"""`.npy` and `.npz` files, memory-mapped where they can be: only the rows that are used are read."""

from __future__ import annotations

import math
import struct
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.numpy_files import ArrayFileError, npy_layout, npz_members, read_npz_array
from netruntime.readers.table import ColumnTable, array_table

_LOCAL_HEADER = struct.Struct("<4s22xHH")


def read_array_file(path: Path) -> ColumnTable:
    """The arrays of a `.npz` file by name, or the one of a `.npy` file under the file's own name.

    Raises `DataInputError` E1010 for a damaged file, and `OSError`.
    """
    try:
        if path.suffix.lower() == ".npy":
            return array_table({path.stem: _map_npy(path, 0, path.stat().st_size)}, shown(path), shown(path))
        arrays = {name: _npz_array(path, name, member) for name, member in npz_members(path).items()}
    except ArrayFileError as wrong:
        raise DataInputError.make("E1010", f"cannot use {shown(path)}: {wrong}") from wrong
    return array_table(arrays, shown(path), "{name} in " + shown(path))


def _npz_array(path: Path, name: str, member: zipfile.ZipInfo) -> Array:
    if member.compress_type != zipfile.ZIP_STORED:
        return read_npz_array(path, name)
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise ArrayFileError("the zip archive is damaged: a member does not begin where it should")
        _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    return _map_npy(
        path, member.header_offset + _LOCAL_HEADER.size + name_size + extra_size, member.file_size
    )


def _map_npy(path: Path, start: int, size: int) -> Array:
    """The array of an `.npy` stream of `size` bytes at `start`, mapped."""
    with path.open("rb") as stream:
        stream.seek(start)
        layout = npy_layout(stream, size)
    if not math.prod(layout.shape):
        return np.empty(layout.shape, layout.dtype)
    order: Literal["C", "F"] = "F" if layout.fortran_order else "C"
    mapped: Array = np.memmap(path, layout.dtype, "r", start + layout.header, layout.shape, order)
    return mapped
