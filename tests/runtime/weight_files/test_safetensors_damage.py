"""Damaged `.safetensors` files, each refused with the words that say what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netruntime.errors import WeightsError
from netruntime.weight_files.weights import read_weights

DAMAGED = "`FILE` is not a valid safetensors file: "
UNFILLED = "the tensors of `FILE` do not fill it: "


def packed(header: bytes, buffer: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + buffer


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def with_tensors(buffer: int = 8, **entries: Any) -> bytes:
    return packed(json.dumps(entries).encode(), bytes(buffer))


def with_one(buffer: int = 8, **parts: Any) -> bytes:
    return with_tensors(buffer, w=entry(**parts))


CORPUS: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "E0703", DAMAGED + "it has 0 bytes, but the header's length alone takes 8"),
    "seven bytes": (b"1234567", "E0703", DAMAGED + "it has 7 bytes, but the header's length alone takes 8"),
    "length beyond the file": (
        (900).to_bytes(8, "little") + b"{}",
        "E0703",
        DAMAGED + "its header claims 900 bytes, but only 2 follow",
    ),
    "length beyond all measure": (
        b"\xff" * 8 + b"{}",
        "E0703",
        "the header of `FILE` claims 18,446,744,073,709,551,615 bytes, but the limit is 20,000,000",
    ),
    "no header": (packed(b""), "E0703", DAMAGED + "its header does not begin with `{`"),
    "a list": (packed(b"[]"), "E0703", DAMAGED + "its header does not begin with `{`"),
    "leading space": (packed(b" {}"), "E0703", DAMAGED + "its header does not begin with `{`"),
    "cut JSON": (
        packed(b'{"w":'),
        "E0703",
        DAMAGED + "its header is not JSON: Expecting value: line 1 column 6 (char 5)",
    ),
    "two values": (
        packed(b"{}{}"),
        "E0703",
        DAMAGED + "its header is not JSON: Extra data: line 1 column 3 (char 2)",
    ),
    "not UTF-8": (
        packed(b'{"\xff": 1}'),
        "E0703",
        DAMAGED + "its header is not JSON: 'utf-8' codec can't decode byte 0xff in position 2: "
        "invalid start byte",
    ),
    "a name twice": (
        packed(b'{"w": 1, "w": 2}'),
        "E0709",
        "`FILE` names `w` twice in its header",
    ),
    "a key twice": (
        packed(b'{"w": {"dtype": "F32", "dtype": "F16"}}'),
        "E0709",
        "`FILE` names `dtype` twice in its header",
    ),
    "metadata a list": (
        with_tensors(0, __metadata__=[]),
        "E0703",
        DAMAGED + "`__metadata__` in its header is not an object",
    ),
    "metadata not text": (
        with_tensors(0, __metadata__={"step": 3}),
        "E0703",
        DAMAGED + "`__metadata__` in its header holds `step`, whose value is not a text",
    ),
    "entry not an object": (
        with_tensors(w=[1]),
        "E0704",
        "`w` in `FILE` needs exactly `dtype`, `shape` and `data_offsets`",
    ),
    "entry without shape": (
        with_tensors(w={"dtype": "F32", "data_offsets": [0, 8]}),
        "E0704",
        "`w` in `FILE` needs exactly `dtype`, `shape` and `data_offsets`",
    ),
    "entry with more": (
        with_tensors(w={**entry(), "strides": [1]}),
        "E0704",
        "`w` in `FILE` needs exactly `dtype`, `shape` and `data_offsets`",
    ),
    "name not Unicode": (
        packed(b'{"\\ud800": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', bytes(4)),
        "E0704",
        "`\\ud800` in `FILE` has a name that is not valid Unicode",
    ),
    "dtype unknown": (with_one(dtype="F31"), "E0704", "`w` in `FILE` has the unknown dtype `F31`"),
    "dtype a number": (with_one(dtype=4), "E0704", "`w` in `FILE` has the unknown dtype `4`"),
    "dtype a list": (with_one(dtype=[]), "E0704", "`w` in `FILE` has the unknown dtype `[]`"),
    "float of 8 bits": (
        with_one(dtype="F8_E4M3"),
        "E0706",
        "`w` in `FILE` is stored as F8_E4M3, which netdsl does not read",
    ),
    "shape a number": (
        with_one(shape=2),
        "E0704",
        "`w` in `FILE` has the shape `2`, which is not a list of sizes",
    ),
    "shape negative": (
        with_one(shape=[-2]),
        "E0704",
        "`w` in `FILE` has the shape `[-2]`, which is not a list of sizes",
    ),
    "shape of fractions": (
        with_one(shape=[2.0]),
        "E0704",
        "`w` in `FILE` has the shape `[2.0]`, which is not a list of sizes",
    ),
    "shape of booleans": (
        with_one(shape=[True, 2]),
        "E0704",
        "`w` in `FILE` has the shape `[True, 2]`, which is not a list of sizes",
    ),
    "shape that wraps around to 2 elements": (
        with_one(shape=[2**62, 2**3, 2**62, 2]),
        "E0704",
        f"`w` in `FILE` has the shape `{[2**62, 2**3, 2**62, 2]}`, which is impossibly large",
    ),
    "huge shape without elements": (
        with_one(0, shape=[0, 2**70], offsets=[0, 0]),
        "E0704",
        f"`w` in `FILE` has the shape `{[0, 2**70]}`, which is impossibly large",
    ),
    "large axes beside an empty one": (
        with_one(0, shape=[0, 2**40, 2**40], offsets=[0, 0]),
        "E0704",
        f"`w` in `FILE` has the shape `{[0, 2**40, 2**40]}`, which is impossibly large",
    ),
    "more axes than NumPy has": (
        with_one(4, shape=[1] * 65, offsets=[0, 4]),
        "E0704",
        f"`w` in `FILE` has the shape `{str([1] * 65)[:160]}...`, which is impossibly large",
    ),
    "offsets missing one": (
        with_one(offsets=[0]),
        "E0704",
        "`w` in `FILE` has the offsets `[0]`, which are not two integers",
    ),
    "offsets fractions": (
        with_one(offsets=[0, 8.0]),
        "E0704",
        "`w` in `FILE` has the offsets `[0, 8.0]`, which are not two integers",
    ),
    "offsets backwards": (
        with_one(offsets=[8, 0]),
        "E0704",
        "`w` in `FILE` has the offsets `[8, 0]`, which do not run forwards from 0",
    ),
    "offsets negative": (
        with_one(offsets=[-8, 0]),
        "E0704",
        "`w` in `FILE` has the offsets `[-8, 0]`, which do not run forwards from 0",
    ),
    "size differs": (
        with_one(shape=[3]),
        "E0704",
        "`w` in `FILE` is f32[3], which takes 12 bytes, but its offsets hold 8",
    ),
    "more bytes than the shape takes": (
        with_one(shape=[1]),
        "E0704",
        "`w` in `FILE` is f32[1], which takes 4 bytes, but its offsets hold 8",
    ),
    "buffer cut short": (
        with_one(7),
        "E0704",
        "`w` in `FILE` ends at byte 8 of a buffer of 7: the file is cut short",
    ),
    "overlap": (
        with_tensors(12, a=entry(), b=entry(offsets=(4, 12))),
        "E0705",
        UNFILLED + "`a` and `b` overlap at byte 4",
    ),
    "the same bytes twice": (
        with_tensors(8, a=entry(), b=entry()),
        "E0705",
        UNFILLED + "`a` and `b` overlap at byte 0",
    ),
    "hole between": (
        with_tensors(20, a=entry(), b=entry(offsets=(12, 20))),
        "E0705",
        UNFILLED + "bytes 8 to 12 before `b` belong to no tensor",
    ),
    "hole at the start": (
        with_one(12, offsets=[4, 12]),
        "E0705",
        UNFILLED + "bytes 0 to 4 before `w` belong to no tensor",
    ),
    "bytes left over": (with_one(9), "E0705", UNFILLED + "the last 1 bytes belong to no tensor"),
    "no tensors, some bytes": (
        packed(b"{}", b"x"),
        "E0705",
        UNFILLED + "the last 1 bytes belong to no tensor",
    ),
}


@pytest.mark.parametrize("kind", CORPUS)
def test_damage_is_named(kind: str, tmp_path: Path) -> None:
    content, code, message = CORPUS[kind]
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert (caught.value.code, caught.value.diagnostics[0].message) == (
        code,
        message.replace("FILE", str(path)),
    )


def test_deep_json_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(packed(b'{"w":' + b"[" * 200_000))
    with pytest.raises(WeightsError, match=r"E0703.*is not JSON: maximum recursion"):
        read_weights(path)


def test_a_huge_integer_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(packed(b'{"w":' + b"9" * 5000 + b"}"))
    with pytest.raises(WeightsError, match=r"E0703.*is not JSON: Exceeds the limit"):
        read_weights(path)


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_every_truncation_is_refused(cut: int, tmp_path: Path) -> None:
    content = with_tensors(12, a=entry(), b=entry("I32", [1], [8, 12]))
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    assert set(read_weights(path)) == {"a", "b"}
    path.write_bytes(content[: min(cut, len(content) - 1)])
    with pytest.raises(WeightsError):
        read_weights(path)


def test_random_damage_never_escapes_as_another_exception(tmp_path: Path) -> None:
    content = bytearray(with_tensors(12, a=entry(), b=entry("I32", [1], [8, 12])))
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(600):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content) - 12, rng.integers(1, 4)):
            damaged[at] = rng.integers(0, 256)
        path = tmp_path / "w.safetensors"
        path.write_bytes(damaged)
        try:
            {name: array.sum() for name, array in read_weights(path).items()}
        except WeightsError:
            refused += 1
    assert refused > 300


def test_a_header_of_too_many_tensors(tmp_path: Path) -> None:
    """1.5 million names take a minute and gigabytes to read."""
    path = tmp_path / "w.safetensors"
    with path.open("wb") as stream:
        stream.write((90_000_000).to_bytes(8, "little") + b"{")
        stream.truncate(90_000_008)
    with pytest.raises(WeightsError, match=r"claims 90,000,000 bytes, but the limit is 20,000,000") as caught:
        read_weights(path)
    assert caught.value.code == "E0703" and "split it into several files" in str(caught.value)
