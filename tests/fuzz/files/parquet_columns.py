"""Parquet files with columns of every type: decimals, times, nested lists, dictionaries, nulls."""

from __future__ import annotations

import datetime
import decimal
import tempfile
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netdsl.diagnostics import NetError
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions, open_data
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

SHORT = 60
ROWS = 4


def trial(random: Random) -> str:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return "no pyarrow"
    kinds = columns()
    chosen = {"x": random.choice(sorted(kinds)), "label": random.choice(sorted(kinds))}
    if random.random() < 0.6:
        chosen["label"] = "u8"
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "t.parquet")
        table = pyarrow.table({name: kinds[kind] for name, kind in chosen.items()})
        parquet.write_table(
            table.slice(0, random.choice((0, 1, ROWS))), path, row_group_size=random.choice((1, ROWS))
        )
        try:
            return _read(random, path)
        except NetError as refused:
            assert str(refused)
            return "refused"
        except Exception as wrong:
            wrong.add_note(f"from columns {chosen}")
            raise


def _read(random: Random, path: Path) -> str:
    batch = symbol("B")
    x = tensor(random.choice(("f32", "i32", "u8", "bool")), batch, *random.choice(((), (2,), (symbol("T"),))))
    wanted = {"x": x, "label": tensor(random.choice(("i32", "f32")), batch)}
    if random.random() < 0.3:
        array = read_input(str(path), InputSpec("x", x), DataOptions())
        assert array.dtype == x.dtype.numpy_name
        return "input"
    data = open_data(str(path), wanted, DataOptions())
    rows = data.rows(np.arange(len(data)))  # type: ignore[union-attr, arg-type]
    assert all(np.isfinite(array).all() for array in rows.values() if array.dtype.kind == "f")
    return "data"


@cache
def columns() -> dict[str, Any]:
    """Columns of four rows by a name of their type."""
    import pyarrow as pa

    day, time = datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return {
        "decimal": pa.array([decimal.Decimal("1.5")] * ROWS),
        "long decimal": pa.array([decimal.Decimal(10**37)] * ROWS, pa.decimal256(60, 2)),
        "date": pa.array([day] * ROWS),
        "timestamp": pa.array([time] * ROWS, pa.timestamp("ns", "UTC")),
        "duration": pa.array([1] * ROWS, pa.duration("s")),
        "time": pa.array([1] * ROWS, pa.time64("us")),
        "nulls": pa.nulls(ROWS),
        "some nulls": pa.array([1.0, None, 3.0, None]),
        "null words": pa.array(["a", None, "b", "a"]),
        "dictionary": pa.array(["a", "b", "a", "c"]).dictionary_encode(),
        "dictionary of numbers": pa.array([1, 2, 1, 3]).dictionary_encode(),
        "structure": pa.array([{"a": 1, "b": "x"}] * ROWS),
        "map": pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
        "lists": pa.array([[1.0, 2.0]] * ROWS),
        "ragged": pa.array([[1, 2], [3], [], [4, 5, 6]]),
        "null lists": pa.array([[1, 2], None, [3, None], [4]]),
        "fixed": pa.array([[1, 2]] * ROWS, pa.list_(pa.int8(), 2)),
        "nested": pa.array([[[1, 2], [3]]] * ROWS),
        "lists of words": pa.array([["a"], ["b", "c"], [], ["a"]]),
        "bytes": pa.array([b"\x89PNG", b"", b"x", b"\xff"]),
        "bool": pa.array([True, False] * 2),
        "f16": pa.array(np.ones(ROWS, np.float16)),
        "nan": pa.array([1.0, float("nan"), float("inf"), -0.0]),
        "large": pa.array([2**64 - 1, 0, 1, 2**63], pa.uint64()),
        "u8": pa.array([0, 1, 2, 255], pa.uint8()),
        "words": pa.array(["1", "2", "x", ""], pa.large_string()),
    }  # fmt: skip
