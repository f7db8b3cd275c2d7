"""Files that are not what their names say: what they are is reported, in every place that reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.files.beginnings import kind_of
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

MODEL = "net 1.0\nmodel M(x: f32[B, 3]) -> y: f32[B, 2] { return x -> fc: Linear(2) }"
ROWS = InputSpec("x", tensor("f32", symbol("B"), 3))
CONTENTS = {
    b"hello world\n1,2,3\n": "it is text, which begins `hello world`",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "it is a Git LFS pointer",
    b"<!DOCTYPE html>\n<html></html>": "it is a web page",
    gzip.compress(b"numbers", mtime=0): "it is compressed by gzip",
    b"\x80\x02}q\x00.": "it is a pickle",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("suffix", ["npz", "npy", "safetensors"])
def test_a_file_of_another_kind_is_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content * 8 if suffix == "safetensors" else content)
    with pytest.raises(nr.NetError) as caught:
        if suffix == "safetensors":
            nr.load(MODEL, weights=path)
        else:
            read_input(str(path), ROWS)
    assert CONTENTS[content] in caught.value.diagnostics[0].message


def test_numbers_are_no_text(tmp_path: Path) -> None:
    for array in (np.arange(20.0), np.zeros(20, np.int32), np.arange(128, 200, dtype=np.uint8)):
        assert kind_of(array.tobytes()[:64]) is None
    assert kind_of(b"") is None
    np.savez(tmp_path / "x.npz", x=np.ones((2, 3), np.float32))
    assert read_input(str(tmp_path / "x.npz"), ROWS).shape == (2, 3)
