"""Weights spread over several `.safetensors` files, with an index that says which file holds what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import Array, ArrayInfo
from netruntime.files.atomic import resolved
from netruntime.files.json_objects import DuplicateKeyError, unique_object
from netruntime.weight_files.safetensors_file import SafetensorsFile, cannot_open
from netruntime.weight_files.safetensors_header import MAX_HEADER
from netruntime.weight_files.weight_file import WeightFile

INDEX_SUFFIX = ".safetensors.index.json"


class ShardedFile(WeightFile):
    """The tensors of all the files that an index names; the index must agree with the files."""

    def __init__(self, index: Path) -> None:
        """Raises `WeightsError`: E0701 to E0709 for the files themselves, E0710 for an index that is not
        one, E0711 for a file outside the folder, E0712 for one that is missing, E0713 where the index and
        the files disagree about a tensor."""
        weight_map = _read_index(index)
        shards = {shard: SafetensorsFile(_inside(index, shard)) for shard in sorted(set(weight_map.values()))}
        super().__init__(str(index), {})
        self._homes = _homes(index, shards)
        for name, shard in weight_map.items():
            _check_home(index, name, shard, shards)

    def __getitem__(self, name: str) -> Array:
        return self._homes[name][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def describe(self, name: str) -> ArrayInfo:
        return self._homes[name].describe(name)


def _homes(index: Path, shards: Mapping[str, SafetensorsFile]) -> dict[str, SafetensorsFile]:
    homes: dict[str, SafetensorsFile] = {}
    for file in shards.values():
        for name in file:
            if name in homes:
                both = f"{shown(Path(homes[name].source).name)} and {shown(Path(file.source).name)}"
                _disagree(index, f"{shown(name)} is in two of its files, {both}")
            homes[name] = file
    return homes


def _check_home(index: Path, name: str, shard: str, shards: Mapping[str, SafetensorsFile]) -> None:
    if name in shards[shard]:
        return
    elsewhere = next((other for other, file in shards.items() if name in file), None)
    hint = f"; it is in {shown(elsewhere)}" if elsewhere else ""
    _disagree(index, f"{shown(name)} should be in {shown(shard)}, but is not{hint}")


def _read_index(index: Path) -> dict[str, str]:
    try:
        if index.stat().st_size > MAX_HEADER:
            _malformed(index, f"it is larger than {MAX_HEADER} bytes")
        table = json.loads(index.read_bytes().decode("utf-8"), object_pairs_hook=unique_object)
    except OSError as reason:
        raise cannot_open(index, reason) from reason
    except DuplicateKeyError as twice:
        raise WeightsError.make("E0709", f"the index {shown(index)} names {shown(twice)} twice") from twice
    except (ValueError, RecursionError) as wrong:
        _malformed(index, f"it is not JSON: {wrong}")
    return _checked_map(index, table)


def _checked_map(index: Path, table: Any) -> dict[str, str]:
    weight_map = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        _malformed(index, "it has no `weight_map` from tensor names to file names")
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not shard.endswith(".safetensors"):
            _malformed(index, f"{shown(name)} is mapped to {shown(shard)}, not to a .safetensors file")
    return weight_map


def _inside(index: Path, shard: str) -> Path:
    """The shard's path, which must be a file of the index's folder, links followed."""
    folder = index.parent.resolve()
    parts = shard.replace("\\", "/").split("/")
    if "\0" in shard or ".." in parts or "" in parts or ":" in parts[0]:
        _outside(index, shard)
    path = folder.joinpath(*parts)
    try:
        if not _belongs(resolved(path), folder):
            _outside(index, shard)
        is_there = path.is_file()
    except (OSError, ValueError) as reason:  # a loop of links, a name too long, a lone surrogate
        raise cannot_open(path, OSError(None, getattr(reason, "strerror", None) or str(reason))) from reason
    if not is_there:
        raise WeightsError.make(
            "E0712",
            f"{shown(shard)} is missing beside {shown(index)}",
            help="fetch every file that the index names into one folder",
        )
    return path


def _belongs(file: Path, folder: Path) -> bool:
    """Whether a file is in the folder, or in the `blobs` of the hub's cache that the folder is a snapshot of.

    Such a cache keeps files as `models--x/blobs/HASH` and links to them from `models--x/snapshots/COMMIT`.
    """
    is_snapshot = folder.parent.name == "snapshots"
    return file.is_relative_to(folder) or (is_snapshot and file.parent == folder.parent.parent / "blobs")


def _outside(index: Path, shard: str) -> NoReturn:
    raise WeightsError.make(
        "E0711",
        f"the index {shown(index)} names {shown(shard)}, which leads out of its folder",
        help="put the file itself into the folder, and name it without `..` or an absolute path; "
        "`cp -rL FOLDER COPY` copies a folder with the files that its links lead to",
    )


def _malformed(index: Path, reason: str) -> NoReturn:
    raise WeightsError.make("E0710", f"{shown(index)} is not an index of safetensors files: {reason}")


def _disagree(index: Path, reason: str) -> NoReturn:
    raise WeightsError.make(
        "E0713",
        f"the index {shown(index)} and its files disagree: {reason}",
        help="the index and the files are from different versions: fetch them together",
    )
