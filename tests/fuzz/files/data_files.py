"""Damaged data and weights: files of every kind, with bytes changed, cut, doubled or put elsewhere.

The file is read as `--data` and as `--input` read it, or as weights.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netdsl.diagnostics import NetError
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime import read_weights, write_weights
from netruntime.data import DataOptions, open_data
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

SHORT = 120
B, T = symbol("B"), symbol("T")
ROWS = {"x": tensor("f32", B, 4), "label": tensor("i32", B)}
PICTURES = {"x": tensor("f32", B, 1, 4, 4), "label": tensor("i32", B)}
TEXT = {"ids": tensor("i32", B, T)}


def trial(random: Random) -> str:
    name, (content, inputs) = random.choice(sorted(samples().items()))
    damaged = mutant(random, content)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, name)
        path.write_bytes(damaged)
        try:
            return use(random, path, inputs)
        except NetError as refused:
            assert str(refused)
            return "refused"


def use(random: Random, path: Path, inputs: Mapping[str, Any] | None) -> str:
    if inputs is None:
        file = read_weights(path.parent if path.name.endswith("index.json") else path)
        for name in file:
            np.asarray(file[name]).sum()
        return "weights"
    if random.random() < 0.3:
        name, type_ = next(iter(inputs.items()))
        read_input(str(path), InputSpec(name, type_), DataOptions())
        return "input"
    data = open_data(str(path), inputs, DataOptions(window=4))
    data.rows(np.arange(min(len(data), 3)))  # type: ignore[union-attr]
    return "data"


def mutant(random: Random, content: bytes) -> bytes:
    """The content with one to four damages."""
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        match random.randrange(7):
            case 0 if data:
                data[at % len(data)] = random.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << random.randrange(8)
            case 2:
                del data[at : at + random.randint(1, 20)]
            case 3:
                del data[at:]
            case 4:
                data[at:at] = data[at : at + random.randint(1, 30)]
            case 5:
                data[at:at] = random.choice((b"\0", b"\xff" * 8, b"\n", b",", b"nan", b'"', b"1e999", b"-1"))
            case _:
                data[at : at + 8] = random.choice((0, 1, 2**31, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")
    return bytes(data)


@cache
def samples() -> Mapping[str, tuple[bytes, Mapping[str, Any] | None]]:
    """Small files by name, each with the inputs it fits; None for weights."""
    x, label = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0, 1, 2], np.int32)
    csv = "x0,x1,x2,x3,label\n" + "".join(f"{n},2.5,-1,4e3,{n}\n" for n in range(3))
    rows = {"x": x.tolist(), "label": label.tolist()}
    result: dict[str, tuple[bytes, Mapping[str, Any] | None]] = {
        "a.csv": (csv.encode(), ROWS),
        "a.tsv": (csv.replace(",", "\t").encode(), ROWS),
        "a.json": (json.dumps(rows).encode(), ROWS),
        "a.npz": (written(lambda stream: np.savez(stream, x=x, label=label)), ROWS),
        "c.npz": (written(lambda stream: np.savez_compressed(stream, x=x, label=label)), ROWS),
        "x.npy": (written(lambda stream: np.save(stream, x)), {"x": ROWS["x"]}),
        "a.txt": (b"to be or not\nto be, that is the question\n", TEXT),
        "t-images-idx3-ubyte": (idx(), {"x": PICTURES["x"]}),
        "t-images-idx3-ubyte.gz": (gzip.compress(idx()), {"x": PICTURES["x"]}),
        "a.safetensors": (weights(".safetensors"), None),
        "w.npz": (weights(".npz"), None),
        "model.safetensors.index.json": (b'{"weight_map": {"a": "b.safetensors"}}', None),
    }
    return result | pictures() | parquet(x, label)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def idx() -> bytes:
    return b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 4, 4)) + bytes(range(32))


def weights(suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"w{suffix}")
        write_weights(path, {"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float16)})
        return path.read_bytes()


def pictures() -> Mapping[str, tuple[bytes, Mapping[str, Any]]]:
    try:
        from PIL import Image
    except ImportError:
        return {}
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
    spec = {"x": PICTURES["x"]}
    return {f"p.{kind}": (written(lambda s, k=kind: image.save(s, k)), spec) for kind in ("png", "jpeg")}  # type: ignore[misc]


def parquet(x: Any, label: Any) -> Mapping[str, tuple[bytes, Mapping[str, Any]]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return {}
    table = pyarrow.table({"x": x.tolist(), "label": label})
    return {"a.parquet": (written(lambda stream: pyarrow.parquet.write_table(table, stream)), ROWS)}
