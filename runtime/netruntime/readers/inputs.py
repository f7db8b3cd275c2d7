"""Reading a model's input from whatever the user names: a file, a folder, standard input, or nothing."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from netdsl.diagnostics import suggest
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.numpy_files import NPY_MAGIC, ArrayFileError, npz_names, read_npy, read_npz_array
from netruntime.readers.fitting import fit_to_input
from netruntime.readers.generated import generate, is_generated
from netruntime.readers.images import IMAGE_SUFFIXES, read_image
from netruntime.readers.input_spec import DEFAULT_OPTIONS, InputOptions, InputSpec
from netruntime.readers.tables import read_csv, read_json
from netruntime.readers.text import read_sentences, read_text

STDIN = "-"
INLINE_TEXT = "text:"
FILE_SUFFIXES = IMAGE_SUFFIXES | {".npy", ".npz", ".json", ".csv", ".tsv", ".txt"}

_KEYED = re.compile(r"(.+\.(?:npz|json)):([^:/\\]+)", re.IGNORECASE | re.DOTALL)
_KINDS = "a .npy, .npz, .png, .jpg, .csv, .tsv, .json or .txt file, `-`, zeros, ones, random, or text:WORDS"


def read_input(
    spec: str, wanted: InputSpec, options: InputOptions = DEFAULT_OPTIONS, *, stdin: BinaryIO | None = None
) -> Array:
    """The array that `spec` names, checked against the input's type and of its element type.

    `spec` is a file (`x.npy`, `x.npz:key`, `x.json:key`, `x.csv`, `x.png`, `x.jpg`, `x.txt`), `-` for
    JSON or .npy bytes from `stdin`, `zeros`, `ones`, `random`, `random:0..10`, or `text:some words`. An
    image or a text gets a leading axis where the input has one more. Folders and globs are for
    `netruntime.readers.batches.read_batches`. Raises `DataInputError` (E0801 to E0819) and
    `MissingExtraError`.
    """
    where = "standard input" if spec == STDIN else "the text" if spec.startswith(INLINE_TEXT) else shown(spec)
    try:
        if is_generated(spec):
            return generate(spec, wanted, options.sizes, options.seed)
        if spec == STDIN:
            array = _from_bytes((stdin or sys.stdin.buffer).read(), where, wanted)
        elif spec.startswith(INLINE_TEXT):
            array = read_text([spec.removeprefix(INLINE_TEXT)], wanted, options.text)
        else:
            array = read_file(spec, wanted, options)
    except MemoryError as full:
        message = f"{where} does not fit in memory: {wanted} is {wanted.type}"
        raise wanted.refuse("E0806", message) from full
    return fit_to_input(array, wanted, where, options.sizes, options.allow_nonfinite)


def read_file(spec: str, wanted: InputSpec, options: InputOptions) -> Array:
    """The array in one file, not yet checked against the input's type. Raises `DataInputError`."""
    keyed = _KEYED.fullmatch(spec)
    path, key = (Path(keyed[1]), keyed[2]) if keyed else (Path(spec), None)
    try:
        path.stat()
    except (OSError, ValueError) as reason:  # ValueError for a name with a null byte
        raise _cannot_read(path, reason, wanted) from reason
    if path.is_dir():
        help = "folders are read batch by batch; name one file here"
        raise wanted.refuse("E0803", f"{shown(path)} is a folder", help=help)
    suffix = path.suffix.lower()
    if suffix not in FILE_SUFFIXES:
        message = f"{shown(spec)} is not a kind of data that netdsl reads"
        raise wanted.refuse("E0803", message, help=f"give {_KINDS}")
    try:
        return _READERS.get(suffix, _read_picture)(path, key, wanted, options)
    except OSError as reason:
        raise _cannot_read(path, reason, wanted) from reason


def _read_picture(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    picture = read_image(path, wanted, options.image)
    return picture[None] if wanted.type.rank == 4 else picture


def _read_npy(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    try:
        with path.open("rb") as stream:
            return read_npy(stream, path.stat().st_size)
    except ArrayFileError as wrong:
        raise wanted.refuse("E0806", f"cannot use {shown(path)}: {wrong}") from wrong


def _read_npz(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    try:
        return read_npz_array(path, _npz_key(path, key, wanted))
    except ArrayFileError as wrong:
        raise wanted.refuse("E0806", f"cannot use {shown(path)}: {wrong}") from wrong


def _npz_key(path: Path, key: str | None, wanted: InputSpec) -> str:
    names = npz_names(path)
    if key is None and len(names) == 1:
        return names[0]
    name = wanted.name if key is None else key
    if name in names:
        return name
    held = ", ".join(map(shown, names[:8])) or "nothing"
    help = suggest(name, names) if key else f"say which: {path.name}:{names[0] if names else 'name'}"
    raise wanted.refuse("E0807", f"{shown(path)} has no array {shown(name)}; it has {held}", help=help)


def _read_json(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    return read_json(path.read_bytes(), shown(path), wanted, key)


def _read_csv(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    return read_csv(path, wanted)


def _read_txt(path: Path, key: str | None, wanted: InputSpec, options: InputOptions) -> Array:
    return read_text(read_sentences(path, wanted), wanted, options.text)


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_txt,
}


def _from_bytes(data: bytes, where: str, wanted: InputSpec) -> Array:
    if not data.strip():
        raise wanted.refuse("E0813", f"{where} is empty", help="send JSON, or the bytes of a .npy file")
    if not data.startswith(NPY_MAGIC[:1]):
        return read_json(data, where, wanted, None)
    try:
        return read_npy(BytesIO(data), len(data))
    except ArrayFileError as wrong:
        raise wanted.refuse("E0806", f"cannot use {where}: {wrong}") from wrong


def _cannot_read(path: Path, reason: OSError | ValueError, wanted: InputSpec) -> DataInputError:
    text = (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
    help = None
    if isinstance(reason, FileNotFoundError):
        known = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        help = suggest(path.name, known) or f"give {_KINDS}"
    return wanted.refuse("E0802", f"cannot read {shown(path)} for {wanted}: {text}", help=help)
