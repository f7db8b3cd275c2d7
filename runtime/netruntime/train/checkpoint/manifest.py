"""The manifest of a checkpoint: a JSON file, written last, with the sizes and checksums of the others.

It also has the checksum of its own JSON in canonical form, so that damage to itself is detected.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NoReturn

from netdsl.folders import refuse_endless
from netdsl.immutable import immutable
from netruntime.errors import TrainingError, shown
from netruntime.files.json_objects import unique_object
from netruntime.train.checkpoint.contract import JSON

MANIFEST = "manifest.json"
WEIGHTS_FILE, STATE_FILE = "weights.safetensors", "state.safetensors"
FILES = (WEIGHTS_FILE, STATE_FILE)

FORMAT, VERSION = "netdsl checkpoint", 1
_FLOAT = "$float"
"""The key that marks floats which JSON cannot represent."""


@immutable
class FileRecord:
    """The expected length of a file, in bytes, and its SHA-256."""

    bytes: int
    sha256: str


@immutable
class Manifest:
    """The manifest's contents.

    Attributes:
        saved: Counts the checkpoints of a folder; a later one has a larger number.
        best: Whether it was the best so far when saved.
        sections: The number of arrays in each section.
        files: The files beside the manifest.
    """

    saved: int
    best: bool
    step: int
    epoch: int
    batch: int
    sections: Mapping[str, int]
    files: Mapping[str, FileRecord]
    state: Mapping[str, JSON]

    def to_json(self) -> str:
        """The text of the file. Raises `TypeError` for a state that JSON cannot represent."""
        table = {"format": FORMAT, "version": VERSION, **asdict(self), "state": _tagged(dict(self.state))}
        return json.dumps({**table, "sha256": _checksum(table)}, indent=1, allow_nan=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a checkpoint's folder.

    Raises `TrainingError`: E1050 if it is damaged, E1051 if it has another version, E1054 if there is none.
    """
    path = folder / MANIFEST
    try:
        refuse_endless(path)
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise no_checkpoint(folder) from missing
    except OSError as reason:
        damaged(folder, f"{MANIFEST} cannot be read: {reason.strerror or reason}", reason)
    try:
        table = json.loads(raw.decode(), object_pairs_hook=unique_object)
    except (ValueError, RecursionError) as wrong:
        damaged(folder, f"{MANIFEST} is not JSON: {wrong}", wrong)
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        damaged(folder, f"{MANIFEST} is not the manifest of a checkpoint")
    if table.get("version") != VERSION:
        raise _other_version(folder, table.get("version"))
    return _checked(folder, table)


def no_checkpoint(folder: Path) -> TrainingError:
    """The error for a folder that is not a complete checkpoint."""
    return TrainingError.make(
        "E1054",
        f"{shown(folder)} is not a complete checkpoint: it has no {MANIFEST}",
        help="remove it to continue from the previous one, or copy the complete folder again",
    )


def damaged(folder: Path, reason: str, cause: BaseException | None = None) -> NoReturn:
    """Raise E1050: a checkpoint that differs from what was written."""
    raise TrainingError.make(
        "E1050",
        f"the checkpoint {shown(folder)} is damaged: {reason}",
        help="use the previous one, or restore this one from a copy",
    ) from cause


def _other_version(folder: Path, version: object) -> TrainingError:
    return TrainingError.make(
        "E1051",
        f"the checkpoint {shown(folder)} has format version {shown(version)}, but this netdsl reads "
        f"version {VERSION}",
        help=f"continue with the netdsl that wrote it; every version can read its {WEIGHTS_FILE}",
    )


def _checked(folder: Path, table: dict[str, Any]) -> Manifest:
    """The manifest from its JSON, after verifying the checksum."""
    checksum = table.pop("sha256", None)
    if checksum != _checksum(table):
        damaged(folder, f"the checksum of {MANIFEST} does not match")
    try:
        values = {field.name: table[field.name] for field in fields(Manifest)}
        files = {name: FileRecord(**values["files"][name]) for name in FILES}
    except (KeyError, TypeError) as wrong:
        damaged(folder, f"{MANIFEST} lacks {wrong}", wrong)
    return Manifest(**{**values, "files": files, "state": _untagged(values["state"])})


def _checksum(table: Mapping[str, Any]) -> str:
    canonical = json.dumps(table, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _tagged(value: JSON) -> JSON:
    """The value with floats that JSON cannot represent as objects."""
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(float(value))}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"the keys of saved state must be strings, but are {list(value)}")
        return {key: _tagged(entry) for key, entry in value.items()}
    return [_tagged(entry) for entry in value] if isinstance(value, list | tuple) else value


def _untagged(value: JSON) -> JSON:
    if isinstance(value, dict):
        if value.keys() == {_FLOAT}:
            return float(value[_FLOAT])
        return {key: _untagged(entry) for key, entry in value.items()}
    return [_untagged(entry) for entry in value] if isinstance(value, list) else value
