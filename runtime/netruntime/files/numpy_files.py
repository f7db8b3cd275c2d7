"""NumPy's `.npy` and `.npz` files, read strictly: plain numbers only, and exactly the bytes promised."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from netdsl.immutable import immutable
from netruntime.errors import shown
from netruntime.files.arrays import Array, fits_memory, short_name
from netruntime.files.beginnings import HEAD, kind_of
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text

NPY_MAGIC = b"\x93NUMPY"

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)
MAX_COMMENT = zipfile.ZIP_MAX_COMMENT
_EPOCH = (1980, 1, 1, 0, 0, 0)


class ArrayFileError(ValueError):
    """What is wrong with a file of arrays; the caller says which file and what it was wanted for."""


class DuplicateNameError(ArrayFileError):
    """Two arrays of a file with one name."""


@immutable
class NpyLayout:
    """How a `.npy` array lies in its file; `header` is how many bytes come before the numbers."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    header: int


def read_npy(stream: BufferedIOBase, size: int) -> Array:
    """The array of one seekable `.npy` stream of `size` bytes.

    Raises `ArrayFileError` for anything but a complete array of plain numbers.
    """
    start = stream.tell()
    layout = npy_layout(stream, size)
    free = shortage(size)
    if free is not None:
        wanted = f"{list(layout.shape)} of {layout.dtype} is {bytes_text(size)}"
        raise ArrayFileError(f"{wanted}, which does not fit in memory: {lack_text(free)}")
    stream.seek(start)
    try:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    except MemoryError as full:
        message = f"{list(layout.shape)} of {layout.dtype} does not fit in memory"
        raise ArrayFileError(message) from full
    except ValueError as cut:
        raise ArrayFileError("it ends before the last of its numbers") from cut
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def npy_layout(stream: BufferedIOBase, size: int) -> NpyLayout:
    """What the header of a `.npy` stream of `size` bytes promises; the stream is left at the numbers.

    Raises `ArrayFileError` for anything but a complete array of plain numbers.
    """
    start = stream.tell()
    shape, fortran_order, dtype = _read_npy_header(stream)
    _check_plain(shape, dtype)
    needed = math.prod(shape) * dtype.itemsize
    header = stream.tell() - start
    if size - header != needed:
        raise ArrayFileError(f"its header promises {needed} bytes of numbers, but it holds {size - header}")
    return NpyLayout(shape, fortran_order, dtype, header)


def read_npz(path: Path) -> dict[str, Array]:
    """All arrays of a `.npz` file by name. Raises `ArrayFileError` and `OSError`."""
    with _opened(path) as archive:
        return {name: _read_member(archive, member) for name, member in _npz_members(archive).items()}


def npz_members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The arrays of a `.npz` file by name, with their places in it. Raises `ArrayFileError` and `OSError`."""
    with _opened(path) as archive:
        return _npz_members(archive)


def read_npz_array(path: Path, name: str) -> Array:
    """One array of a `.npz` file that holds it. Raises `ArrayFileError` and `OSError`."""
    with _opened(path) as archive:
        return _read_member(archive, _npz_members(archive)[name])


def npz_comment(path: Path) -> bytes:
    """The comment of the archive. Raises `ArrayFileError` and `OSError`."""
    with _opened(path) as archive:
        return archive.comment


def write_npz(stream: BinaryIO, arrays: Mapping[str, Array], comment: bytes = b"") -> None:
    """Write arrays as a `.npz` file; the same arrays always give the same bytes.

    `comment` has at most `MAX_COMMENT` bytes; other programs do not see it among the arrays.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for name in sorted(arrays):
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(arrays[name], order="C"), allow_pickle=False)


def _read_npy_header(stream: BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    start = stream.tell()
    try:
        version = np.lib.format.read_magic(stream)
    except ValueError as wrong:
        stream.seek(start)
        kind = kind_of(stream.read(HEAD))
        reason = "it does not begin as a .npy array does"
        if kind is not None and not kind.startswith("a .npy"):
            reason = f"it is {kind}"
        raise ArrayFileError(reason) from wrong
    if version not in _HEADERS:
        raise ArrayFileError(f"its .npy version {version[0]}.{version[1]} does not hold plain numbers")
    try:
        return _HEADERS[version](stream)
    except Exception as damage:  # NumPy's parser lets through whatever Python's own raises
        raise ArrayFileError("its .npy header is damaged") from damage


def _check_plain(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise ArrayFileError("it holds Python objects (pickle), which may run code when read")
    if short_name(dtype) is None or dtype.kind not in "biuf":
        raise ArrayFileError(f"its element type is {dtype}, which is not a number type of netdsl")
    if any(size < 0 for size in shape) or not fits_memory(shape, dtype.itemsize):
        raise ArrayFileError(f"its shape {list(shape)} is impossible")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _ZIP_DAMAGE as damage:
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD))
        reason = f"the zip archive is damaged: {damage}"
        if kind is not None and not kind.startswith("a zip"):
            reason = f"it is {kind}"
        raise ArrayFileError(reason) from damage


def _npz_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name == member.filename:
            raise ArrayFileError(f"it holds {shown(member.filename)}, which is not a .npy array")
        if name in members:
            raise DuplicateNameError(f"it holds two arrays named {shown(name)}")
        members[name] = member
    return members


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    try:
        with archive.open(member) as stream:
            return read_npy(cast(BufferedIOBase, stream), member.file_size)
    except ArrayFileError as wrong:
        raise ArrayFileError(f"array {shown(member.filename.removesuffix('.npy'))}: {wrong}") from wrong
