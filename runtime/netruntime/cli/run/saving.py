"""Results as files: `.npz`, `.npy`, `.json` or `.csv`, each written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.writing import check_output, write_failures, write_file
from netruntime.cli.run.results import nested, plain
from netruntime.errors import shown
from netruntime.files.arrays import Array, info_of
from netruntime.files.atomic import write_atomically
from netruntime.files.numpy_files import write_npz

RESULT_SUFFIXES = (".npz", ".npy", ".json", ".csv")
NamedOutputs = tuple[str, Mapping[str, Array]]


def check_target(
    path: Path, reads: Iterable[object], kinds: Sequence[str] = RESULT_SUFFIXES, what: str = "results"
) -> None:
    """Check before anything runs that the target can be written, and is none of the files in `reads`.

    Raises E0925 and E0941.
    """
    if path.suffix.lower() not in kinds:
        help = f"name a {', '.join(kinds[:-1])} or {kinds[-1]} file"
        raise usage_error("E0925", f"cannot save {what} to {shown(path)}", help)
    check_output(path, reads, f"the {what}")


def save_outputs(path: Path, outputs: Mapping[str, Array]) -> None:
    """Save one run: arrays by output name. Raises E0925 if a .npy file would have to hold several."""
    kind = path.suffix.lower()
    if kind == ".npy":
        _check_single(path, outputs)
        array = np.asarray(plain(next(iter(outputs.values()))), order="C")
        with write_failures(path):
            write_atomically(
                path, lambda stream: np.lib.format.write_array(stream, array, allow_pickle=False)
            )
    elif kind == ".npz":
        _write_npz(path, outputs)
    else:
        _write_json(path, {"outputs": _arrays_json(outputs)})


def save_items(path: Path, items: Sequence[NamedOutputs]) -> None:
    """Save many items: arrays named `item/output` in a .npz file, or a list of items in a .json file."""
    kind = path.suffix.lower()
    if kind == ".npy":
        raise usage_error(
            "E0925", f"{shown(path)} can hold one array, but there are {len(items)} items", "use .npz"
        )
    if kind == ".npz":
        _write_npz(path, {f"{name}/{output}": a for name, outputs in items for output, a in outputs.items()})
    else:
        _write_json(path, {"items": [{"name": n, "outputs": _arrays_json(o)} for n, o in items]})


def _check_single(path: Path, outputs: Mapping[str, Array]) -> None:
    if len(outputs) != 1:
        message = f"{shown(path)} can hold one array, but there are {len(outputs)}: {', '.join(outputs)}"
        raise usage_error("E0925", message, "use .npz")


def _write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    plain_arrays = {name: plain(array) for name, array in arrays.items()}
    with write_failures(path):
        write_atomically(path, lambda stream: write_npz(stream, plain_arrays))


def _arrays_json(arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {
        name: {"type": str(info_of(array)), "shape": list(array.shape), "values": nested(array)}
        for name, array in arrays.items()
    }


def _write_json(path: Path, document: Any) -> None:
    write_file(path, json.dumps(document, allow_nan=False))
