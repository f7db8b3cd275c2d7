"""Reading and writing weights: mappings, `.npz`, `.safetensors`, and folders of them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from netdsl.folders import refuse_endless
from netruntime.arguments import check_mapping, check_path
from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import Array
from netruntime.files.atomic import write_atomically
from netruntime.files.numpy_files import (
    MAX_COMMENT,
    ArrayFileError,
    DuplicateNameError,
    npz_comment,
    read_npz,
    write_npz,
)
from netruntime.files.run_folder import weights_of_run
from netruntime.weight_files.safetensors_file import SafetensorsFile, cannot_open
from netruntime.weight_files.safetensors_writer import write_safetensors
from netruntime.weight_files.shards import INDEX_SUFFIX, ShardedFile
from netruntime.weight_files.weight_file import WeightArrays, WeightFile, as_weight, from_mapping

_PICKLED = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}
_KINDS = "a .safetensors or .npz file, an index (.safetensors.index.json), or a folder with one of them"


def read_weights(path_or_mapping: str | os.PathLike[str] | Mapping[str, Any]) -> WeightFile:
    """The weights of a file, a folder or a mapping, as a mapping from names to NumPy arrays.

    Opening a `.safetensors` file reads its header only. Raises `WeightsError` (E0701 to E0714), each
    naming the file and the tensor at fault.
    """
    if isinstance(path_or_mapping, Mapping):
        return from_mapping(path_or_mapping)
    check_path(path_or_mapping, "weights")
    path = Path(path_or_mapping)
    try:
        # a plain stat, so that an unreadable folder on the way is distinguished from a missing file
        path.stat()
        file = _file_in(path) if path.is_dir() else path
        refuse_endless(file)
    except (OSError, ValueError) as reason:
        raise cannot_open(path, _as_os_error(reason)) from reason
    return _read_file(file)


def write_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays to a `.safetensors` or `.npz` file, atomically.

    `metadata` maps strings to strings, in `.npz` as the comment of the archive; by default it is that of the
    arrays, which the weights of a file or of a training run have. Raises `WeightsError`: E0702
    for another kind of file, E0708 for a value that is not an array of numbers, E0715 if the file cannot
    be written (a full disk, a read-only folder), E0716 for what the format cannot store.
    """
    check_path(path, "path")
    check_mapping(arrays, "arrays", any_keys=True)
    check_mapping({} if metadata is None else metadata, "metadata", any_keys=True)
    path = Path(path)
    if metadata is None:
        metadata = arrays.metadata if isinstance(arrays, WeightFile) else {}
    held = {_checked_name(name): as_weight(name, value) for name, value in arrays.items()}
    write = _writer(path, held, metadata)
    try:
        write_atomically(path, write)
    except OSError as reason:
        raise _cannot_write(path, reason) from reason


def _read_file(path: Path) -> WeightFile:
    if path.name.endswith(INDEX_SUFFIX):
        return ShardedFile(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return SafetensorsFile(path)
    if suffix == ".npz":
        return _read_npz(path)
    raise _wrong_kind(path, suffix)


def _read_npz(path: Path) -> WeightFile:
    try:
        return WeightArrays(str(path), read_npz(path), _metadata_of(npz_comment(path)))
    except OSError as reason:
        raise cannot_open(path, reason) from reason
    except DuplicateNameError as twice:
        raise WeightsError.make("E0709", f"the weights {shown(path)} are ambiguous: {twice}") from twice
    except ArrayFileError as wrong:
        raise WeightsError.make("E0707", f"cannot use the weights {shown(path)}: {wrong}") from wrong


_USUAL = ("best.safetensors", "model.safetensors", "last.safetensors", "weights.safetensors")
"""Weights files of a folder that are usually meant, in this order."""


def _file_in(folder: Path) -> Path:
    """The weights file of a run or the one of another folder: an index comes before the files it names."""
    if (trained := weights_of_run(folder)) != folder:
        return trained
    indices = sorted(folder.glob(f"*{INDEX_SUFFIX}"))
    singles = sorted([*folder.glob("*.safetensors"), *folder.glob("*.npz")])
    candidates = indices or singles
    if indices and (unsharded := folder / "model.safetensors").exists():
        candidates = [*indices, unsharded]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(shown(file.name) for file in candidates[:8])
        chosen = next((file for name in _USUAL for file in candidates if file.name == name), candidates[0])
        help = f"name the one file to read: --weights {folder / chosen.name}"
        raise WeightsError.make("E0714", f"the folder {shown(folder)} holds several: {names}", help=help)
    raise WeightsError.make("E0714", f"the folder {shown(folder)} holds no weights", help=f"give {_KINDS}")


def _wrong_kind(path: Path, suffix: str) -> WeightsError:
    if suffix == ".npy":
        message = f"{shown(path)} holds one array without a name, but weights need names"
        advice = 'save them with np.savez("weights.npz", **arrays), or with write_weights'
    elif suffix in _PICKLED:
        message = (
            f"{shown(path)} is a Python pickle, which may run code when read; netdsl does not read pickles"
        )
        advice = "convert it to .safetensors once, where you trust it: safetensors.torch.save_file"
    else:
        message, advice = f"{shown(path)} is not a kind of weights file that netdsl knows", f"give {_KINDS}"
    return WeightsError.make("E0702", message, help=advice)


def _writer(
    path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> Callable[[BinaryIO], None]:
    suffix = path.suffix.lower()
    if suffix in (".safetensors", ".npz"):
        _check_metadata(path, arrays, metadata)
    if suffix == ".safetensors":
        return lambda stream: write_safetensors(stream, arrays, metadata)
    if suffix != ".npz":
        help = "weights are written as .safetensors or .npz"
        raise WeightsError.make("E0702", f"cannot write weights to {shown(path)}", help=help)
    comment = json.dumps(dict(metadata), ensure_ascii=False).encode() if metadata else b""
    if len(comment) > MAX_COMMENT:
        room = f"a .npz file has room for {MAX_COMMENT:,} bytes of metadata, but there are {len(comment):,}"
        raise _cannot_hold(path, room)
    for name, array in arrays.items():
        if array.dtype.name == "bfloat16":
            raise _cannot_hold(path, f"NumPy has no bf16, the type of {shown(name)}")
    return lambda stream: write_npz(stream, arrays, comment)


def _metadata_of(comment: bytes) -> dict[str, str]:
    """The metadata in the comment of a .npz file; empty for a comment of another program."""
    try:
        entries = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    is_ours = isinstance(entries, dict) and all(isinstance(value, str) for value in entries.values())
    return entries if is_ours else {}


def _check_metadata(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str) or not _is_unicode(key + value):
            raise WeightsError.make(
                "E0716", f"metadata must map strings to strings, but {shown(key)} does not"
            )
    if "__metadata__" in arrays and path.suffix.lower() == ".safetensors":
        raise WeightsError.make(
            "E0716", f"`__metadata__` names the metadata of {shown(path)}, so no array may have that name"
        )


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise WeightsError.make("E0708", f"names of weights must be strings, but {shown(name)} is not")
    if "\0" in name or not _is_unicode(name):
        raise WeightsError.make("E0716", f"{shown(name)} is not a name that a file can hold")
    return name


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _cannot_hold(path: Path, reason: str) -> WeightsError:
    help = "write a .safetensors file instead"
    return WeightsError.make("E0716", f"cannot write {shown(path)}: {reason}", help=help)


def _cannot_write(path: Path, reason: OSError) -> WeightsError:
    advice = {
        errno.ENOSPC: "free some space; an older file of that name is untouched",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.ENOENT: "make the folder first",
    }
    message = f"cannot write the weights {shown(path)}: {reason.strerror or reason}"
    return WeightsError.make("E0715", message, help=advice.get(reason.errno or 0))


def _as_os_error(reason: OSError | ValueError) -> OSError:
    return reason if isinstance(reason, OSError) else OSError(None, str(reason))
