"""The IDX format of MNIST, plain or gzipped.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits": two zero bytes, the
element type, the number of axes, each axis as a big-endian u32, then the elements in big-endian order.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np

from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, fits_memory
from netruntime.files.opening import ZIP_DAMAGE, open_binary
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text
from netruntime.readers.table import ArrayColumn, Column, ColumnTable, Role, table_of

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r".*[.-]idx\d-ubyte(\.gz)?", re.IGNORECASE)


def is_idx(path: Path) -> bool:
    """Whether the file is called as IDX files are, `train-images-idx3-ubyte` or `...-ubyte.gz`."""
    return _NAME.fullmatch(path.name) is not None


def read_idx(path: Path) -> ColumnTable:
    """The columns `image` and `label` of an IDX file and its companion beside it; either may be named.

    Without a companion only the named one is there. Raises `DataInputError` E0806 for a damaged or truncated
    file, E0854 for different counts, and `OSError`.
    """
    other = _companion(path)
    files = [path] if other is None else sorted((path, other), key=lambda file: "label" in file.name.lower())
    columns: dict[str, Column] = {}
    for file in files:
        name: Role = "label" if "label" in file.name.lower() else "input"
        column = ArrayColumn(read_idx_array(file), shown(file), name)
        columns["label" if name == "label" else "image"] = column
    table = table_of(columns, " and ".join(map(shown, files)))
    table.refuse_uneven()
    return table


def read_idx_array(path: Path) -> Array:
    """The array of one IDX file; one that is not gzipped is memory-mapped. Raises as `read_idx`."""
    with open_binary(path) as stream:
        try:
            dtype, shape, start = _header(stream.read(4), stream.read(4 * 255), path)
            needed = math.prod(shape) * dtype.itemsize
            stream.seek(start)
            if path.suffix.lower() == ".gz":
                _check_room(needed, shape, path)
                return _from_bytes(stream.read(needed + 1), dtype, shape, start, path)
        except ZIP_DAMAGE as damage:
            message = f"{shown(path)} is damaged, or ends too early: {damage}"
            raise DataInputError.make("E0806", message, help="fetch the file again") from damage
    _check_size(path.stat().st_size - start, dtype, shape, start, path)
    return np.memmap(path, dtype, "r", start, shape) if needed else np.empty(shape, dtype)


def _header(magic: bytes, sizes: bytes, path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...], int]:
    """Element type, shape, and where the elements begin."""
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        message = f"{shown(path)} does not begin as an IDX file does: {magic.hex(' ') or 'it is empty'}"
        help = "IDX begins with 00 00, the element type (08 for bytes) and the number of axes"
        raise DataInputError.make("E0806", message, help=help)
    rank = magic[3]
    if len(sizes) < 4 * rank:
        message = f"{shown(path)} ends within its header: {rank} axes need {4 + 4 * rank} bytes"
        raise DataInputError.make("E0806", f"{message}, but it has {4 + len(sizes)}")
    shape = struct.unpack(f">{rank}I", sizes[: 4 * rank])
    dtype = np.dtype(_TYPES[magic[2]])
    if not rank or not fits_memory(shape, dtype.itemsize):
        raise DataInputError.make(
            "E0806", f"the header of {shown(path)} gives the impossible shape {list(shape)}"
        )
    return dtype, shape, 4 + 4 * rank


def _from_bytes(
    data: bytes, dtype: np.dtype[np.generic], shape: tuple[int, ...], start: int, path: Path
) -> Array:
    _check_size(len(data), dtype, shape, start, path)
    return np.frombuffer(data, dtype).reshape(shape)


def _check_room(needed: int, shape: tuple[int, ...], path: Path) -> None:
    """Raise `DataInputError` E0822 if what the file unpacks to does not fit in memory."""
    free = shortage(needed)
    if free is not None:
        message = f"{shown(path)} unpacks to {bytes_text(needed)} for {list(shape)}, but {lack_text(free)}"
        help = "unpack it with `gunzip`: a plain file is read row by row"
        raise DataInputError.make("E0822", message, help=help)


def _check_size(
    found: int, dtype: np.dtype[np.generic], shape: tuple[int, ...], start: int, path: Path
) -> None:
    needed = math.prod(shape) * dtype.itemsize
    if found == needed:
        return
    held = f"at least {start + found}" if path.suffix.lower() == ".gz" and found > needed else start + found
    rows = f"; it ends in row {found * shape[0] // needed} of {shape[0]}" if found < needed else ""
    message = f"{shown(path)} needs {start + needed} bytes for {list(shape)}, but has {held}{rows}"
    raise DataInputError.make("E0806", message, help="fetch the file again")


def _companion(path: Path) -> Path | None:
    """`train-labels-idx1-ubyte` beside `train-images-idx3-ubyte`, or the other way, gzipped or not."""
    name = path.name.removesuffix(".gz")
    if "images" in name:
        other = name.replace("images", "labels").replace("idx3", "idx1")
    elif "labels" in name:
        other = name.replace("labels", "images").replace("idx1", "idx3")
    else:
        return None
    found = [path.with_name(other), path.with_name(f"{other}.gz")]
    return next((file for file in found if file.is_file()), None)
