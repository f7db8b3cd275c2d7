"""From the names of files and folders to one table, before any model's inputs are matched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from netdsl.diagnostics import suggest
from netdsl.types import TensorType
from netruntime.errors import DataInputError, shown
from netruntime.readers.formats.arrays import read_array_file
from netruntime.readers.formats.cifar import find_cifar, read_cifar
from netruntime.readers.formats.csv_table import read_csv_table
from netruntime.readers.formats.idx import is_idx, read_idx
from netruntime.readers.formats.language import read_language
from netruntime.readers.formats.parallel import read_parallel
from netruntime.readers.formats.parquet import read_parquet
from netruntime.readers.formats.picture_files import find_pictures, read_image_folder
from netruntime.readers.merged import end_to_end, side_by_side
from netruntime.readers.options import DataOptions
from netruntime.readers.table import ColumnTable

TABLE_SUFFIXES = (".npz", ".npy", ".parquet", ".csv", ".tsv")

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)
_BETWEEN = re.compile(r"\s+(?=[A-Za-z_]\w*=)")
_KEYED = re.compile(r"(.+\.(?:npz|parquet|csv|tsv)):([^:/\\]+)", re.IGNORECASE | re.DOTALL)
_KINDS = (
    "give .npz, .npy, .csv, .tsv, .parquet, .txt, IDX (...-idx3-ubyte, .gz) or CIFAR (.bin) files, "
    "or a folder of pictures"
)


def paths_of(spec: object) -> list[str] | None:
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


def read_paths(paths: Sequence[str], wanted: Mapping[str, TensorType], options: DataOptions) -> ColumnTable:
    """The rows of files, for the inputs `wanted` (those that data must have). Raises `DataInputError`."""
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
    found = [n for n, t in wanted.items() if t.rank == 2 and t.dtype.is_int]
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
