"""Reads an input of a model from a file or standard input, or generates it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import numpy as np

from netdsl.folders import refuse_endless
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.files.numpy_files import NPY_MAGIC, ArrayFileError, read_npy
from netruntime.readers.fitting import does_not_fit, fit_array, holds_classes
from netruntime.readers.formats.arrays import pick_name, read_one_array
from netruntime.readers.formats.json_lists import read_json
from netruntime.readers.generated import generate_input, is_generated, too_large
from netruntime.readers.input_spec import InputSpec, declared
from netruntime.readers.merged import members_of, trained_columns
from netruntime.readers.options import DEFAULT_OPTIONS, DataOptions
from netruntime.readers.pixels.images import IMAGE_SUFFIXES
from netruntime.readers.pixels.pictures import takes_pictures
from netruntime.readers.sources import cannot_read, read_table, split_key
from netruntime.readers.table import ColumnInfo, ColumnTable
from netruntime.readers.text import read_sentences, read_text, tokenize

STDIN = "-"
INLINE_TEXT = "text:"

Note = Callable[[str], None]


def read_input(
    spec: str,
    wanted: InputSpec,
    options: DataOptions = DEFAULT_OPTIONS,
    *,
    seed: int = 0,
    stdin: BinaryIO | None = None,
    note: Note | None = None,
) -> Array:
    """The array that `spec` names, fitted to the input's type and of its element type.

    `spec` is a file as of `netruntime.data.open_data` (`x.npy`, `x.npz:key`, `x.json:key`, `x.csv`, `x.png`),
    a `.txt` file of sentences, `-` for JSON or .npy bytes from `stdin`, `zeros`, `ones`, `random`,
    `random:0..10`, or `text:some words`. An image or a text gets a leading axis where the input has one more.
    `seed` makes `random` reproducible; each input's name enters, so that two inputs differ. Bytes (u8) for
    an input of floats are multiplied by `options.scale`; `note` is called with what was done. Folders and
    globs are for `netruntime.readers.batches.read_batches`. Raises `DataInputError` (E0801 to E0819, E0840)
    and `MissingExtraError`.
    """
    with declared(wanted):
        if is_generated(spec):
            return _made_up(spec, wanted, options, seed)
        if spec == STDIN:
            where = "standard input"
            array = _from_bytes(_read_stream(stdin or sys.stdin, where, wanted), where, wanted)
        elif spec.startswith(INLINE_TEXT):
            where = "the text"
            array = read_text([spec.removeprefix(INLINE_TEXT)], wanted, options)
        else:
            return read_file(spec, wanted, options, note)
        return fit_input(array, wanted, where, options, note=note)


def read_file(
    spec: str,
    wanted: InputSpec,
    options: DataOptions,
    note: Note | None = None,
    *,
    one_item: bool = False,
) -> Array:
    """The array in one file, fitted to the input's type; `one_item` adds the first axis where it lacks.

    Raises as `read_input`.
    """
    path, key = split_key(spec)
    try:
        path.stat()
        array, info = _read(path, key, wanted, options)
        if one_item and array.ndim == wanted.type.rank - 1:
            array = array[None]
        return fit_input(array, wanted, shown(spec), options, info, note)
    except (OSError, ValueError) as reason:  # ValueError for a name with a null byte
        raise cannot_read(reason, path) from reason
    except MemoryError as full:
        raise _too_large(shown(spec), wanted) from full


def text_lengths(spec: str, wanted: InputSpec, options: DataOptions) -> Array | None:
    """How many tokens each sentence of a text has, i64 `[B]`; None for other data."""
    if spec.startswith(INLINE_TEXT):
        sentences = [spec.removeprefix(INLINE_TEXT)]
    elif Path(spec).suffix.lower() in (".txt", ".md") and not is_generated(spec):
        sentences = read_sentences(Path(spec))
    else:
        return None
    last = wanted.type.shape[-1]
    tokens = tokenize(sentences, options, length=last.value if last.is_fixed else None)
    return np.asarray(tokens.keep.sum(axis=1), np.int64)


def fit_input(
    array: Array,
    wanted: InputSpec,
    where: str,
    options: DataOptions,
    info: ColumnInfo | None = None,
    note: Note | None = None,
) -> Array:
    """The array as the input's values; `note` is called with what was done. Raises as `fit_array`."""
    is_picture = info.picture is not None if info else array.dtype == np.uint8 and array.ndim == 3
    spec = _as_item(wanted) if is_picture else wanted
    if spec.is_item and info is None:
        array = array[None]
    values, notes = fit_array(array, spec, where, options, info)
    if note:
        for text in notes:
            note(f"{shown(wanted.name)}: {text}")
    return values[0] if spec.is_item else values


def _as_item(wanted: InputSpec) -> InputSpec:
    """The spec of an input, for which `[1, H, W]` or `[3, H, W]` is a single picture."""
    shape = wanted.type.shape
    is_item = len(shape) == 3 and shape[0].is_fixed and shape[0].value in (1, 3)
    return replace(wanted, is_item=True) if is_item else wanted


def _made_up(spec: str, wanted: InputSpec, options: DataOptions, seed: int) -> Array:
    try:
        return generate_input(spec, wanted, options.sizes, seed)
    except MemoryError as full:
        raise too_large(spec, wanted, sizes=options.sizes) from full


def _read(
    path: Path, key: str | None, wanted: InputSpec, options: DataOptions
) -> tuple[Array, ColumnInfo | None]:
    """The array in a file as it is there, and what is known of it."""
    suffix = path.suffix.lower()
    if path.is_dir():
        help = "folders are read batch by batch; name one file here"
        raise DataInputError.make("E0803", f"{shown(path)} is a folder", help=help)
    refuse_endless(path)
    if suffix in (".npy", ".npz"):
        return read_one_array(path, key, wanted), None
    if suffix == ".json":
        return read_json(path.read_bytes(), shown(path), wanted, key), None
    if suffix in (".txt", ".md"):
        return read_text(read_sentences(path), wanted, options), None
    if suffix in IMAGE_SUFFIXES:
        wanted = _picture_spec(wanted, options)
    return _column(read_table(path, [wanted], options), path, key, wanted, options)


def _picture_spec(wanted: InputSpec, options: DataOptions) -> InputSpec:
    spec = _as_item(wanted)
    if not takes_pictures(spec, options):
        message = f"{wanted} is {wanted.type}, but an image is [C, H, W] or [B, C, H, W] with 1 or 3 channels"
        raise wanted.refuse("E0812", message, help="save the data as .npy for other shapes")
    return spec


def _column(
    table: ColumnTable, path: Path, key: str | None, wanted: InputSpec, options: DataOptions
) -> tuple[Array, ColumnInfo | None]:
    """The column that is meant: the one named, those of training, the only one, or all numbers side by side.

    Labels that the `train` section names are left out.
    """
    all_rows = np.arange(len(table))
    left_out = options.label_columns - {wanted.name} if key is None else frozenset()
    columns = {name: info for name, info in table.columns.items() if name not in left_out} or table.columns
    numbers = [name for name, info in columns.items() if info.shape == ()]
    inputs = [name for name, info in columns.items() if info.role == "input"]
    names = members_of(wanted.name, columns)
    trained = trained_columns(wanted.name, columns, options, shown(path)) if key is None else None
    if trained is not None:
        names = trained
    elif key is not None or wanted.name in columns or len(columns) == 1:
        names = (pick_name(list(columns), key, wanted, path),)
    elif not names:
        names = tuple(inputs if len(inputs) == 1 else numbers)
    if not names:
        names = (pick_name(list(columns), key, wanted, path),)
    for name in names:
        if columns[name].role == "label" and wanted.type.dtype.is_float:
            raise holds_classes(columns[name].source, wanted)
    held = table.take(names, all_rows)
    rows = [held[name] for name in names]
    if any(not isinstance(each, np.ndarray) for each in rows):
        raise does_not_fit(columns[names[0]], wanted, {})
    if len(names) > 1 or columns[names[0]].shape == ():
        return _side_by_side([np.asarray(each) for each in rows], wanted), None
    return np.asarray(rows[0]), columns[names[0]]


def _side_by_side(columns: Sequence[Array], wanted: InputSpec) -> Array:
    """Columns of numbers as rows; for an input of one axis a single row or column."""
    table = np.stack(columns, axis=1)
    return table.reshape(-1) if wanted.type.rank == 1 and 1 in table.shape else table


def _read_stream(stream: BinaryIO | TextIO | None, where: str, wanted: InputSpec) -> bytes:
    if stream is None:
        raise wanted.refuse("E0802", f"{where} is closed", help="name a file")
    try:
        return cast(BinaryIO, getattr(stream, "buffer", stream)).read()
    except OSError as reason:
        message = f"{where} cannot be read: {reason.strerror or reason}"
        raise wanted.refuse("E0802", message, help="name a file") from reason


def _from_bytes(data: bytes, where: str, wanted: InputSpec) -> Array:
    if not data.strip():
        raise wanted.refuse("E0813", f"{where} is empty", help="send JSON, or the bytes of a .npy file")
    if not data.startswith(NPY_MAGIC[:1]):
        return read_json(data, where, wanted, None)
    try:
        return read_npy(BytesIO(data), len(data))
    except ArrayFileError as wrong:
        raise wanted.refuse("E0806", f"cannot use {where}: {wrong}") from wrong


def _too_large(where: str, wanted: InputSpec) -> DataInputError:
    message = f"{where} does not fit in memory: {wanted} is {wanted.type}"
    return wanted.refuse("E0822", message, help="give fewer rows, or read them in batches: --batch-size")
