"""The header of a `.safetensors` file, believed only where every byte of it adds up.

The format: 8 bytes, the header's length N as a little-endian integer; N bytes of JSON, which give each
tensor's dtype, shape and place in the buffer; then the buffer, covered by the tensors without holes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from netdsl.immutable import immutable
from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import ITEM_SIZES, ArrayInfo, fits_memory
from netruntime.files.beginnings import kind_of
from netruntime.files.json_objects import DuplicateKeyError, unique_object

MAX_HEADER = 20_000_000
"""Bytes, for some 200,000 tensors: a header is read at once, and takes 30 times its length as objects."""

STORED_DTYPES = {
    "F16": "f16",
    "BF16": "bf16",
    "F32": "f32",
    "F64": "f64",
    "I8": "i8",
    "U8": "u8",
    "I16": "i16",
    "U16": "u16",
    "I32": "i32",
    "U32": "u32",
    "I64": "i64",
    "U64": "u64",
    "BOOL": "bool",
}
REFUSED_DTYPES = frozenset({"F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4"})
REFUSED_DTYPES |= {"F6_E2M3", "F6_E3M2", "C64"}

_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


@immutable
class TensorEntry:
    """What the header says of one tensor; `begin` and `end` are byte offsets into the buffer."""

    info: ArrayInfo
    begin: int
    end: int


@immutable
class TensorHeader:
    """A checked header."""

    entries: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


def header_length(file: str, first_bytes: bytes, file_size: int) -> int:
    """The header's length in bytes, from the first bytes of the file. Raises `WeightsError` E0703."""
    if len(first_bytes) < 8:
        _damaged(file, f"it has {len(first_bytes)} bytes, but the header's length alone takes 8")
    kind = None if first_bytes[8:9] == b"{" else kind_of(first_bytes)
    if kind is not None:
        _damaged(file, f"it is {kind}", help=_GIVE)
    length = int.from_bytes(first_bytes[:8], "little")
    if length > MAX_HEADER:
        message = f"the header of {shown(file)} claims {length:,} bytes, but the limit is {MAX_HEADER:,}"
        help = "the file is damaged, or holds too many tensors: split it into several files with an index"
        raise WeightsError.make("E0703", message, help=help)
    if length > file_size - 8:
        _damaged(file, f"its header claims {length} bytes, but only {file_size - 8} follow")
    return length


def parse_header(file: str, raw: bytes, buffer_size: int) -> TensorHeader:
    """The checked header from its JSON bytes, for a buffer of `buffer_size` bytes.

    Raises `WeightsError`: E0703 for a header that is not the JSON it should be, E0704 for an entry that
    is wrong in itself, E0705 for tensors that overlap or leave holes, E0706 for an element type that
    netdsl does not read, E0709 for a duplicate name.
    """
    table = _parse_json(file, raw)
    metadata = _parse_metadata(file, table.pop("__metadata__", {}))
    entries = {name: _parse_entry(file, name, entry) for name, entry in table.items()}
    _check_cover(file, entries, buffer_size)
    return TensorHeader(entries, metadata)


def _parse_json(file: str, raw: bytes) -> dict[str, Any]:
    if not raw.startswith(b"{"):
        _damaged(file, "its header does not begin with `{`")
    try:
        table = json.loads(raw.decode("utf-8"), object_pairs_hook=unique_object)
    except DuplicateKeyError as twice:
        raise WeightsError.make(
            "E0709", f"{shown(file)} names {shown(twice)} twice in its header", help=_REWRITE
        ) from twice
    except (ValueError, RecursionError) as wrong:
        _damaged(file, f"its header is not JSON: {wrong}", wrong)
    assert isinstance(table, dict)  # it begins with a brace
    return table


def _parse_metadata(file: str, metadata: object) -> Mapping[str, str]:
    if not isinstance(metadata, dict):
        _damaged(file, "`__metadata__` in its header is not an object")
    for key, value in metadata.items():
        if not isinstance(value, str):
            _damaged(file, f"`__metadata__` in its header holds {shown(key)}, whose value is not a text")
    return metadata


def _parse_entry(file: str, name: str, entry: object) -> TensorEntry:
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS:
        _wrong(file, name, "needs exactly `dtype`, `shape` and `data_offsets`")
    if any("\ud800" <= c <= "\udfff" for c in name):
        _wrong(file, name, "has a name that is not valid Unicode")
    dtype = _parse_dtype(file, name, entry["dtype"])
    shape = _parse_shape(file, name, entry["shape"], ITEM_SIZES[dtype])
    begin, end = _parse_offsets(file, name, entry["data_offsets"])
    info = ArrayInfo(dtype, shape)
    needed = math.prod(shape) * ITEM_SIZES[dtype]
    if end - begin != needed:
        _wrong(file, name, f"is {info}, which takes {needed} bytes, but its offsets hold {end - begin}")
    return TensorEntry(info, begin, end)


def _parse_dtype(file: str, name: str, stored: object) -> str:
    if isinstance(stored, str) and stored in REFUSED_DTYPES:
        raise WeightsError.make(
            "E0706",
            f"{shown(name)} in {shown(file)} is stored as {stored}, which netdsl does not read",
            help="convert the file to F16, BF16 or F32 with the tool that wrote it",
        )
    if not isinstance(stored, str) or stored not in STORED_DTYPES:
        _wrong(file, name, f"has the unknown dtype {shown(stored)}")
    return STORED_DTYPES[stored]


def _parse_shape(file: str, name: str, shape: object, itemsize: int) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        _wrong(file, name, f"has the shape {shown(shape)}, which is not a list of sizes")
    if not fits_memory(shape, itemsize):
        _wrong(file, name, f"has the shape {shown(shape)}, which is impossibly large")
    return tuple(shape)


def _parse_offsets(file: str, name: str, offsets: object) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(at) is int for at in offsets):
        _wrong(file, name, f"has the offsets {shown(offsets)}, which are not two integers")
    begin, end = offsets
    if not 0 <= begin <= end:
        _wrong(file, name, f"has the offsets {shown(offsets)}, which do not run forwards from 0")
    return begin, end


def _check_cover(file: str, entries: Mapping[str, TensorEntry], buffer_size: int) -> None:
    """The tensors, in the order they lie in, must follow each other from the first byte to the last."""
    reached, previous = 0, ""
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.end > buffer_size:
            _wrong(
                file, name, f"ends at byte {entry.end} of a buffer of {buffer_size}: the file is cut short"
            )
        if entry.begin < reached:
            _misplaced(file, f"{shown(previous)} and {shown(name)} overlap at byte {entry.begin}")
        if entry.begin > reached:
            _misplaced(file, f"bytes {reached} to {entry.begin} before {shown(name)} belong to no tensor")
        reached, previous = entry.end, name
    if reached != buffer_size:
        _misplaced(file, f"the last {buffer_size - reached} bytes belong to no tensor")


_GIVE = "give the file itself, a .safetensors or .npz file"
_REWRITE = "the file is damaged or was written wrongly: fetch or write it again"


def _damaged(
    file: str, reason: str, cause: BaseException | None = None, *, help: str | None = None
) -> NoReturn:
    message = f"{shown(file)} is not a valid safetensors file: {reason}"
    raise WeightsError.make("E0703", message, help=help or _REWRITE) from cause


def _wrong(file: str, name: str, reason: str) -> NoReturn:
    raise WeightsError.make("E0704", f"{shown(name)} in {shown(file)} {reason}", help=_REWRITE)


def _misplaced(file: str, reason: str) -> NoReturn:
    raise WeightsError.make("E0705", f"the tensors of {shown(file)} do not fill it: {reason}", help=_REWRITE)
