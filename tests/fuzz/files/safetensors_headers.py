"""Damaged safetensors files: what the published reader refuses is refused, and what both read is equal.

A file that only netdsl refuses is counted, not a fault: it also refuses duplicate names and unknown keys.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.files.data_files import mutant
from netdsl.diagnostics import NetError
from netruntime import read_weights, write_weights

SHORT = 300
ODD: tuple[Any, ...] = (
    None,
    0,
    -1,
    1.5,
    2**63,
    2**70,
    "F32",
    "F8_E4M3",
    "f32",
    [],
    [0],
    [-1, 4],
    [2**40, 2**40],
    {},
    True,
)


def trial(random: Random) -> str:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "w.safetensors")
        write_weights(path, {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16)})
        content = path.read_bytes()
        path.write_bytes(
            _with_odd_header(random, content) if random.random() < 0.7 else mutant(random, content)
        )
        return _compared(_ours(path), _theirs(path))


def _with_odd_header(random: Random, content: bytes) -> bytes:
    """The file with one to three parts of its header changed, and the length of the header right."""
    length = int.from_bytes(content[:8], "little")
    header, buffer = json.loads(content[8 : 8 + length]), content[8 + length :]
    for _ in range(random.randint(1, 3)):
        name = random.choice(["a", "b", "c", "__metadata__"])
        entry = header.setdefault(name, {"dtype": "F32", "shape": [], "data_offsets": [0, 4]})
        if not isinstance(entry, dict) or random.random() < 0.1:
            header[name] = _odd(random)
            continue
        key = random.choice(["dtype", "shape", "data_offsets", "more"])
        value = entry.get(key)
        if isinstance(value, list) and value and random.random() < 0.6:
            value[random.randrange(len(value))] = _odd(random, 1, 2, 3, 4, 8, 24, 32)
        else:
            entry[key] = _odd(random)
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + buffer


def _odd(random: Random, *more: int) -> Any:
    """A value of its own, which the next change may change."""
    return deepcopy(random.choice((*ODD, *more)))


def _ours(path: Path) -> dict[str, Any] | None:
    try:
        file = read_weights(path)
        return {name: np.asarray(file[name]) for name in file}
    except NetError as refused:
        assert str(refused)
        return None


def _theirs(path: Path) -> dict[str, Any] | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, KeyError, AttributeError, ValueError, TypeError, OSError, OverflowError):
        return None


def _compared(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> str:
    if ours is None:
        return "refused by both" if theirs is None else "refused by netdsl alone"
    assert theirs is not None, "the published reader refuses this file"
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name].astype(array.dtype))
    return "read by both"
