"""Reading checkpoints and verifying all their checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netruntime.errors import WeightsError
from netruntime.files.arrays import Array, numpy_dtype
from netruntime.train.checkpoint.contract import WEIGHTS, Checkpoint
from netruntime.train.checkpoint.manifest import (
    FILES,
    MANIFEST,
    STATE_FILE,
    WEIGHTS_FILE,
    FileRecord,
    Manifest,
    damaged,
    read_manifest,
)
from netruntime.train.checkpoint.writing import file_record
from netruntime.weight_files.safetensors_file import SafetensorsFile


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint into memory; the folder may be removed afterwards.

    Raises `TrainingError`: E1050 if it is damaged (a file is missing, truncated or changed), E1051 if
    another version wrote it, E1054 if it does not exist or is incomplete.
    """
    manifest = read_manifest(folder)
    for name in FILES:
        _check_file(folder, name, manifest)
    try:
        arrays = _sections(folder, manifest)
    except WeightsError as wrong:
        damaged(folder, wrong.diagnostics[0].message, wrong)
    return Checkpoint(manifest.step, manifest.epoch, manifest.batch, arrays, manifest.state)


def looks_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether all files exist with their lengths; checksums are not verified."""
    try:
        return all((folder / name).stat().st_size == manifest.files[name].bytes for name in FILES)
    except OSError:
        return False


def _check_file(folder: Path, name: str, manifest: Manifest) -> None:
    expected = manifest.files[name]
    try:
        actual = file_record(folder / name)
    except OSError as reason:
        damaged(folder, f"{name} cannot be read: {reason.strerror or reason}", reason)
    if actual != expected:
        damaged(folder, _difference(name, actual, expected))


def _difference(name: str, actual: FileRecord, expected: FileRecord) -> str:
    if actual.bytes != expected.bytes:
        return f"{name} has {actual.bytes:,} bytes, but was written with {expected.bytes:,}"
    return f"the checksum of {name} does not match"


def _sections(folder: Path, manifest: Manifest) -> dict[str, dict[str, Array]]:
    sections: dict[str, dict[str, Array]] = {section: {} for section in manifest.sections}
    if WEIGHTS in sections:
        weights = SafetensorsFile(folder / WEIGHTS_FILE)
        sections[WEIGHTS] = {name: _in_memory(weights, name) for name in weights}
    state = SafetensorsFile(folder / STATE_FILE)
    for stored in state:
        section, _, name = stored.partition(":")
        sections.setdefault(section, {})[name] = _in_memory(state, stored)
    if {section: len(arrays) for section, arrays in sections.items()} != manifest.sections:
        damaged(folder, f"{MANIFEST} lists different arrays from those in the files")
    return sections


def _in_memory(file: SafetensorsFile, name: str) -> Array:
    """A copy of the array in its original type: bf16 is read as float32, which represents it exactly."""
    dtype = numpy_dtype(file.describe(name).dtype)
    return np.array(file[name], dtype=dtype, copy=True)
