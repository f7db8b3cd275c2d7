"""`.npy` and `.npz` files: read, or memory-mapped so that only the rows that are used are read."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from netdsl.diagnostics import suggest
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.numpy_files import ArrayFileError, npy_layout, npz_members, read_npy, read_npz_array
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.table import ColumnTable, array_table

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_PIECE = 2**24
"""The bytes that are read at a time to check a sum."""


def read_array_file(path: Path) -> ColumnTable:
    """The arrays of a `.npz` file by name, or the one of a `.npy` file under the file's own name, mapped.

    Raises `DataInputError` E0806 for a damaged file, and `OSError`.
    """
    try:
        if path.suffix.lower() == ".npy":
            return array_table({path.stem: _map_npy(path, 0, path.stat().st_size)}, shown(path), shown(path))
        arrays = {name: _npz_array(path, name, member) for name, member in npz_members(path).items()}
    except ArrayFileError as wrong:
        raise _damaged(path, wrong) from wrong
    return array_table(arrays, shown(path), "{name} in " + shown(path))


def read_one_array(path: Path, key: str | None, wanted: InputSpec) -> Array:
    """The array of a `.npy` file, or one of a `.npz` file: `key`, the only one, or that of the input's name.

    Raises `DataInputError` E0806 for a damaged file, E0807 where there is no such array; and `OSError`.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as stream:
                return read_npy(stream, path.stat().st_size)
        return read_npz_array(path, pick_name(list(npz_members(path)), key, wanted, path))
    except ArrayFileError as wrong:
        raise _damaged(path, wrong) from wrong


def pick_name(names: list[str], key: str | None, wanted: InputSpec, path: Path) -> str:
    """Which of the arrays of a file is meant. Raises `DataInputError` E0807."""
    if key is None and len(names) == 1:
        return names[0]
    name = wanted.name if key is None else key
    if name in names:
        return name
    held = ", ".join(map(shown, names[:8])) or "nothing"
    help = suggest(name, names) if key else f"say which: {path.name}:{names[0] if names else 'name'}"
    raise wanted.refuse("E0807", f"{shown(path)} has no array {shown(name)}; it has {held}", help=help)


def _npz_array(path: Path, name: str, member: zipfile.ZipInfo) -> Array:
    if member.compress_type != zipfile.ZIP_STORED:
        return read_npz_array(path, name)
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise ArrayFileError("the zip archive is damaged: a member does not begin where it should")
        _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    start = member.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    _check_sum(path, name, start, member)
    return _map_npy(path, start, member.file_size)


def _check_sum(path: Path, name: str, start: int, member: zipfile.ZipInfo) -> None:
    """Raise `ArrayFileError` if the bytes of a member are not those that were written."""
    found, left = 0, member.file_size
    with path.open("rb") as stream:
        stream.seek(start)
        while left > 0 and (piece := stream.read(min(left, _PIECE))):
            found, left = zlib.crc32(piece, found), left - len(piece)
    if found != member.CRC:
        message = f"array {shown(name)}: its checksum is {found:08x}, but the archive says {member.CRC:08x}"
        raise ArrayFileError(f"{message}: bytes were changed or lost")


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


def _damaged(path: Path, wrong: ArrayFileError) -> DataInputError:
    return DataInputError.make("E0806", f"cannot use {shown(path)}: {wrong}")
