"""From what the user names to a data set that fits the model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

from netdsl.diagnostics import suggest
from netdsl.types import TensorType
from netruntime.data.checks import check_ready
from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.data.fitted import FittedDataset
from netruntime.data.formats.arrays_of_numpy import read_array_file
from netruntime.data.formats.cifar import find_cifar, read_cifar
from netruntime.data.formats.csv_tables import read_csv_table
from netruntime.data.formats.embedded import RowReader, Rows, RowStream, RowTable, read_mapping
from netruntime.data.formats.idx import is_idx, read_idx
from netruntime.data.formats.image_folder import find_pictures, read_image_folder
from netruntime.data.formats.language import read_language
from netruntime.data.formats.merged import end_to_end, side_by_side
from netruntime.data.formats.parallel import read_parallel
from netruntime.data.formats.parquet import read_parquet
from netruntime.data.matching import match_columns
from netruntime.data.options import DEFAULT_OPTIONS, DataOptions
from netruntime.data.padding import filler_kind
from netruntime.data.streaming import fit_stream
from netruntime.data.table import ColumnTable, Table
from netruntime.errors import DataInputError, shown

DataSpec = str | os.PathLike[str] | Mapping[str, Any] | Iterable[Any]

TABLE_SUFFIXES = (".npz", ".npy", ".parquet", ".csv", ".tsv")

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)
_BETWEEN = re.compile(r"\s+(?=[A-Za-z_]\w*=)")
_KEYED = re.compile(r"(.+\.(?:npz|parquet|csv|tsv)):([^:/\\]+)", re.IGNORECASE | re.DOTALL)
_KINDS = (
    "give .npz, .npy, .csv, .tsv, .parquet, .txt, IDX (...-idx3-ubyte, .gz) or CIFAR (.bin) files, "
    "or a folder of pictures"
)


@overload
def open_data(
    spec: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any],
    wanted: Mapping[str, TensorType],
    options: DataOptions = DEFAULT_OPTIONS,
) -> Dataset: ...


@overload
def open_data(
    spec: DataSpec, wanted: Mapping[str, TensorType], options: DataOptions = DEFAULT_OPTIONS
) -> Dataset | StreamDataset: ...


def open_data(
    spec: DataSpec, wanted: Mapping[str, TensorType], options: DataOptions = DEFAULT_OPTIONS
) -> Dataset | StreamDataset:
    """The data that `spec` names, matched to the inputs `wanted` (the batch axis first) by name.

    `spec` is a file or a folder; several, whose rows follow one another (two texts are a translation); pairs
    `name=FILE` or `name=FILE:column`, in one string or several; a mapping of arrays,
    or a tuple of one array for each input; rows that can be indexed
    (a list, a torch-style dataset) of mappings, or of tuples in the order of the inputs; or an iterable of
    such rows, which gives a `StreamDataset`. What was done to make the data fit is told in `notes`.

    Raises `DataInputError` E1000 to E1027, each with the file and the row; and `MissingExtraError`.
    """
    inputs = tuple(name for name, type in wanted.items() if filler_kind(name, type) is None)
    if isinstance(spec, Mapping):
        table: Table = read_mapping(spec)
    elif (paths := _paths(spec)) is not None:
        table = _read_paths(paths, wanted, options)
    elif isinstance(spec, tuple) and len(spec) == len(inputs) and all(getattr(x, "shape", ()) for x in spec):
        table = read_mapping(dict(zip(inputs, spec, strict=True)))
    elif hasattr(spec, "__len__") and hasattr(spec, "__getitem__"):
        table = RowTable(cast(Rows, spec), RowReader(inputs))
    elif hasattr(spec, "__iter__"):
        return fit_stream(RowStream(cast(Iterable[Any], spec)), RowReader(inputs), wanted, options)
    else:
        message = f"{shown(type(spec).__name__)} is neither a path, nor arrays, nor rows"
        raise DataInputError.make(
            "E1001", message, help="give something with __len__ and __getitem__, or __iter__"
        )
    dataset = FittedDataset(table, match_columns(table, wanted, options), options)
    check_ready(dataset)
    return dataset


def _paths(spec: DataSpec) -> list[str] | None:
    """The paths and `name=path` pairs of a spec that names files."""
    if isinstance(spec, (str, os.PathLike)):
        spec = [spec]
    if not isinstance(spec, (list, tuple)) or not spec:
        return None
    if not all(isinstance(part, (str, os.PathLike)) for part in spec):
        return None
    if not all(os.fspath(part).strip() for part in spec):
        raise DataInputError.make("E1000", "the data is named by an empty text", help=_KINDS)
    return [path for part in spec for path in _split_pairs(os.fspath(part))]


def _split_pairs(text: str) -> list[str]:
    return (
        _BETWEEN.split(text.strip()) if _NAMED.fullmatch(text.strip()) and not Path(text).exists() else [text]
    )


def _read_paths(paths: Sequence[str], wanted: Mapping[str, TensorType], options: DataOptions) -> ColumnTable:
    named = [match for path in paths if not _exists(path) and (match := _NAMED.fullmatch(path))]
    try:
        if not named:
            return _read_together([Path(path) for path in paths], wanted, options)
        if len(named) < len(paths):
            help = "name all of them, as in `image=x.npy label=y.npy`, or none"
            raise DataInputError.make(
                "E1026", "some of the data's files are named, and others are not", help=help
            )
        return _read_named([(match[1], match[2]) for match in named], wanted, options)
    except (OSError, ValueError) as reason:  # ValueError for a name with a null byte
        raise _cannot_read(reason, paths[0]) from reason


def _read_named(
    pairs: Sequence[tuple[str, str]], wanted: Mapping[str, TensorType], options: DataOptions
) -> ColumnTable:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataInputError.make("E1026", f"{shown(twice)} is given two files")
    files = {name: Path(path) for name, path in pairs}
    if set(names) == {"src", "tgt"} and not any(_is_table(path) for path in files.values()):
        return read_parallel([files["src"], files["tgt"]], options)
    parts = {}
    for name, path in pairs:
        keyed = _KEYED.fullmatch(path) if not _exists(path) else None
        file, key = (keyed[1], keyed[2]) if keyed else (path, None)
        parts[name] = (_read_one(Path(file), wanted, options), key)
    return side_by_side(parts)


def _read_together(
    paths: Sequence[Path], wanted: Mapping[str, TensorType], options: DataOptions
) -> ColumnTable:
    if len(paths) == 1:
        return _read_one(paths[0], wanted, options)
    if len(paths) == 2 and all(path.is_file() and _is_text(path) for path in paths):
        return read_parallel(paths, options)
    if all(path.suffix.lower() == ".bin" for path in paths):
        return read_cifar(paths)
    tables = [_read_one(path, wanted, options) for path in paths]
    return end_to_end(tables, f"{shown(paths[0])} to {shown(paths[-1])}")


def _read_one(path: Path, wanted: Mapping[str, TensorType], options: DataOptions) -> ColumnTable:
    if path.is_dir():
        return _read_folder(path, wanted, options)
    path.stat()
    suffix = path.suffix.lower()
    if is_idx(path):
        return read_idx(path)
    if suffix in (".npy", ".npz"):
        return read_array_file(path)
    if suffix == ".parquet":
        return read_parquet(path, options)
    if suffix == ".bin":
        return read_cifar([path])
    if suffix in (".tsv", ".txt") and _wants_translation(wanted):
        return read_parallel([path], options)
    if suffix in (".csv", ".tsv"):
        return read_csv_table(path, options)
    if suffix in (".txt", ".md"):
        return read_language(path, wanted, options)
    raise DataInputError.make("E1001", f"{shown(path)} is not a kind of data that netdsl reads", help=_KINDS)


def _read_folder(folder: Path, wanted: Mapping[str, TensorType], options: DataOptions) -> ColumnTable:
    cifar = find_cifar(folder)
    if cifar:
        return read_cifar(cifar)
    idx = sorted(p for p in folder.iterdir() if is_idx(p) and p.name.startswith("train-images"))
    if idx:
        return read_idx(idx[0])
    tables = sorted(p for p in folder.iterdir() if _is_table(p) and not p.name.startswith("."))
    if tables:
        return _read_together(tables, wanted, options)
    if not find_pictures(folder) and not any(p.is_dir() for p in folder.iterdir()):
        message = f"the folder {shown(folder)} holds no data that netdsl reads"
        raise DataInputError.make("E1001", message, help=_KINDS)
    return read_image_folder(folder, wanted, options)


def _wants_translation(wanted: Mapping[str, TensorType]) -> bool:
    """Whether the inputs are those of a translation: `src` and `tgt`, or three sequences of ids."""
    found = [n for n, t in wanted.items() if t.rank == 2 and t.dtype.is_int and filler_kind(n, t) is None]
    return len(found) >= 3 or {"src", "tgt"} <= set(found)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES


def _is_text(path: Path) -> bool:
    """Whether the file is none of the other kinds: texts are called `.txt`, `.en`, `.de` and so on."""
    return not _is_table(path) and not is_idx(path) and path.suffix.lower() != ".bin"


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False


def _cannot_read(reason: OSError | ValueError, first: str) -> DataInputError:
    path = Path(getattr(reason, "filename", None) or first)
    help = None
    if isinstance(reason, FileNotFoundError):
        known = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        help = suggest(path.name, known) or _KINDS
    message = f"cannot read {shown(path)}: {getattr(reason, 'strerror', None) or reason}"
    return DataInputError.make("E1000", message, help=help)
