"""From the names of files and folders to one table, before any model's inputs are matched."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from netdsl.folders import refuse_endless
from netruntime.errors import DataInputError, shown
from netruntime.files.opening import near_file
from netruntime.readers.formats.arrays import read_array_file
from netruntime.readers.formats.cifar import find_cifar, read_cifar
from netruntime.readers.formats.csv_table import read_csv_table
from netruntime.readers.formats.idx import is_idx, read_idx
from netruntime.readers.formats.json_lists import read_json_table
from netruntime.readers.formats.language import read_language, read_lines
from netruntime.readers.formats.parallel import read_parallel
from netruntime.readers.formats.parquet import read_parquet
from netruntime.readers.formats.picture_files import find_pictures, read_image_folder, read_pictures
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.merged import by_name, end_to_end, side_by_side
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.images import IMAGE_SUFFIXES
from netruntime.readers.table import ColumnTable

TABLE_SUFFIXES = frozenset({".npz", ".npy", ".parquet", ".csv", ".tsv", ".json"})
FILE_SUFFIXES = TABLE_SUFFIXES | IMAGE_SUFFIXES | {".txt", ".bin"}
_AS_PNG = "save it as .png"
_AS_TABLE = "save it as .csv, or as .parquet, with a column for each name"
_WAYS_OUT = {
    **dict.fromkeys((".bmp", ".gif", ".tif", ".tiff", ".webp"), _AS_PNG),
    **dict.fromkeys((".jsonl", ".ndjson", ".xls", ".xlsx", ".feather", ".h5"), _AS_TABLE),
}
"""What to do with other kinds of file."""
SOURCE_KINDS = (
    "give .npz, .npy, .csv, .tsv, .json, .parquet, .txt, .png, .jpg, IDX (...-idx3-ubyte, .gz) or "
    "CIFAR (.bin) files, or a folder of images"
)

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)
_BETWEEN = re.compile(r"\s+(?=[A-Za-z_]\w*=)")
_KEYED = re.compile(r"(.+\.(?:npz|json|parquet|csv|tsv)):([^:/\\]+)", re.IGNORECASE | re.DOTALL)

Wanted = Sequence[InputSpec]


def paths_of(spec: object) -> list[str] | None:
    """The paths and `name=path` pairs of a spec that names files."""
    if isinstance(spec, (str, os.PathLike)):
        spec = [spec]
    if not isinstance(spec, (list, tuple)) or not spec:
        return None
    if not all(isinstance(part, (str, os.PathLike)) for part in spec):
        return None
    if not all(os.fspath(part).strip() for part in spec):
        raise DataInputError.make("E0802", "the data is named by an empty text", help=SOURCE_KINDS)
    return [path for part in spec for path in _split_pairs(os.fspath(part))]


def read_paths(paths: Sequence[str], wanted: Wanted, options: DataOptions) -> ColumnTable:
    """The rows of files, folders and globs, for the inputs `wanted`. Raises `DataInputError`."""
    named = [match for path in paths if not _exists(path) and (match := _NAMED.fullmatch(path))]
    try:
        if not named:
            return _read_together([file for path in paths for file in _expanded(path)], wanted, options)
        if len(named) < len(paths):
            help = "name all of them, as in `image=x.npy label=y.npy`, or none"
            raise DataInputError.make(
                "E0839", "some of the data's files are named, and others are not", help=help
            )
        return _read_named([(match[1], match[2]) for match in named], wanted, options)
    except (OSError, ValueError) as reason:  # ValueError for a name with a null byte
        raise cannot_read(reason, paths[0]) from reason


def read_table(path: Path, wanted: Wanted, options: DataOptions) -> ColumnTable:
    """The rows of one file or folder. Raises `DataInputError`, `OSError` and `MissingExtraError`."""
    if path.is_dir():
        return _read_folder(path, wanted, options)
    refuse_endless(path)
    suffix = path.suffix.lower()
    if is_idx(path):
        return read_idx(path)
    if suffix in IMAGE_SUFFIXES:
        return read_pictures([path], wanted, options)
    if suffix in (".npy", ".npz"):
        return read_array_file(path)
    if suffix == ".parquet":
        return read_parquet(path, _with_limit(options, wanted))
    if suffix == ".json":
        return read_json_table(path, wanted)
    if suffix == ".bin":
        return read_cifar([path])
    if suffix in (".tsv", ".txt") and _wants_translation(wanted):
        return read_parallel([path], options)
    if suffix in (".csv", ".tsv"):
        return read_csv_table(path, _with_limit(options, wanted))
    if suffix in (".txt", ".md"):
        is_lines = options.tokenizer is not None and _wants_sentences(wanted, options)
        return read_lines(path, options) if is_lines else read_language(path, wanted, options)
    message = f"{shown(path)} is not a kind of data that netdsl reads"
    raise DataInputError.make("E0803", message, help=_WAYS_OUT.get(suffix, SOURCE_KINDS))


def split_key(spec: str) -> tuple[Path, str | None]:
    """`x.npz:key` as the file and what is meant in it; other names as they are."""
    keyed = _KEYED.fullmatch(spec) if not _exists(spec) else None
    return (Path(keyed[1]), keyed[2]) if keyed else (Path(spec), None)


def is_pattern(spec: str) -> bool:
    """Whether a text is a pattern of names, such as `photos/*.jpg`, and not itself the name of a file."""
    return glob.has_magic(spec) and not _exists(spec)


def find_files(spec: str) -> list[Path]:
    """The data files of a folder, a glob or a single name, sorted. Raises `DataInputError` E0817."""
    path = Path(spec)
    if is_pattern(spec):
        names = glob.glob(spec, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
        found = [Path(name) for name in names if is_data(Path(name))]
        if not found:
            raise DataInputError.make("E0817", f"no data files match {shown(spec)}", help=SOURCE_KINDS)
    elif path.is_dir():
        found = [file for file in path.iterdir() if is_data(file)] or find_pictures(path)
        if not found:
            message = f"the folder {shown(spec)} holds no data that netdsl reads"
            raise DataInputError.make("E0817", message, help=SOURCE_KINDS)
    else:
        found = [path]
    return sorted(found)


def is_data(path: Path) -> bool:
    """Whether a file that is not hidden has a name that netdsl reads."""
    return (
        (path.suffix.lower() in FILE_SUFFIXES or is_idx(path))
        and not path.name.startswith(".")
        and path.is_file()
    )


def cannot_read(reason: OSError | ValueError, first: str | Path) -> DataInputError:
    """The error E0802, with a file of a similar name where there is one."""
    path = Path(getattr(reason, "filename", None) or first)
    help = None
    if isinstance(reason, FileNotFoundError):
        help = (
            "standard input is not read as data: save it in a file"
            if str(path) == "-"
            else near_file(path, lambda other: other.is_dir() or is_data(other))
        )
    message = f"cannot read {shown(path)}: {getattr(reason, 'strerror', None) or reason}"
    return DataInputError.make("E0802", message, help=help)


# -- names and combinations ------------------------------------------------------------------------


def _split_pairs(text: str) -> list[str]:
    return (
        _BETWEEN.split(text.strip()) if _NAMED.fullmatch(text.strip()) and not Path(text).exists() else [text]
    )


def _expanded(path: str) -> list[Path]:
    return find_files(path) if is_pattern(path) else [Path(path)]


def _read_named(pairs: Sequence[tuple[str, str]], wanted: Wanted, options: DataOptions) -> ColumnTable:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataInputError.make("E0839", f"{shown(twice)} is given two files")
    files = {name: Path(path) for name, path in pairs}
    if set(names) == {"src", "tgt"} and not any(_is_table(path) for path in files.values()):
        return read_parallel([files["src"], files["tgt"]], options)
    parts: dict[str, tuple[ColumnTable, str | None]] = {}
    for name, path in pairs:
        file, key = split_key(path)
        mine = [spec for spec in wanted if spec.name == name]
        parts[name] = (_read_together(_expanded(str(file)), mine or wanted, options), key)
    return side_by_side(parts)


def _read_together(paths: Sequence[Path], wanted: Wanted, options: DataOptions) -> ColumnTable:
    if len(paths) == 1:
        return read_table(paths[0], wanted, options)
    if len(paths) == 2 and all(path.is_file() and _is_text(path) for path in paths):
        return read_parallel(paths, options)
    if all(path.suffix.lower() == ".bin" for path in paths):
        return read_cifar(paths)
    if all(path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() for path in paths):
        return read_pictures(paths, wanted, options)
    tables = [read_table(path, wanted, options) for path in paths]
    columns = by_name(tables, [spec.name for spec in wanted], options)
    return columns or end_to_end(tables, f"{shown(paths[0])} to {shown(paths[-1])}")


def _read_folder(folder: Path, wanted: Wanted, options: DataOptions) -> ColumnTable:
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
        find_files(str(folder))
    return read_image_folder(folder, wanted, options)


def _wants_translation(wanted: Wanted) -> bool:
    """Whether the inputs are those of a translation: `src` and `tgt`, or three sequences of ids."""
    found = [spec.name for spec in wanted if spec.type.rank == 2 and spec.type.dtype.is_int]
    return len(found) >= 3 or {"src", "tgt"} <= set(found)


def _wants_sentences(wanted: Wanted, options: DataOptions) -> bool:
    """Whether a text is a sentence on each line: there are ids, but none to predict after each."""
    sequences = [spec.name for spec in wanted if spec.type.rank == 2 and spec.type.dtype.is_int]
    return len(sequences) == 1 and not options.is_label(sequences[0])


def _with_limit(options: DataOptions, wanted: Wanted) -> DataOptions:
    """The options with the length of the one input of token ids, where it is fixed and nothing else is said.

    The tokenizer then cuts sentences itself, and keeps its closing token.
    """
    ids = [spec.type.shape[1] for spec in wanted if spec.type.rank == 2 and spec.type.dtype.is_int]
    if options.max_length is not None or len(ids) != 1 or not ids[0].is_fixed:
        return options
    return replace(options, max_length=ids[0].value)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES


def _is_text(path: Path) -> bool:
    """Whether the file is none of the other kinds: texts are called `.txt`, `.en`, `.de` and so on."""
    suffix = path.suffix.lower()
    return not _is_table(path) and not is_idx(path) and suffix != ".bin" and suffix not in IMAGE_SUFFIXES


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False
