"""Zip archives made to hurt: bombs, absurd sizes, doubled and outlandish names, archives in archives."""

# ruff: noqa: E501 (tables of values)
from __future__ import annotations

import gzip
import io
import struct
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from random import Random

import numpy as np

from fuzz.campaign import showing
from fuzz.files.data_files import ROWS, samples, use
from netdsl.diagnostics import NetError

SHORT = 60
SECONDS = 4.0
MEGABYTES = 1500
"""The memory that a trial may have taken at its end, what the tests themselves hold included."""
NAMES = (
    *("x.npy", "label.npy", "x", "x.npy.npy", ".npy", "/etc/passwd.npy", "../../x.npy", "a/../x.npy", "C:\\x.npy"),
    *("\N{RIGHT-TO-LEFT OVERRIDE}ypn.x.npy", "x\0.npy", "\ud800.npy", "x" * 60_000 + ".npy", "x.NPY", "a/b.npy", "dir/"),
)  # fmt: skip
SHAPES = ("(3, 4)", "(3,)", "()", "(0, 4)", "(-1, 4)", "(3.0, 4)", "(True, 4)", "(4611686018427387904, 4)",
          "(0, 9223372036854775807)", "(10000000000000000000000,)", "(1,)*40", "[3, 4]", "None", "(" * 500,
          "(1, " + "1, " * 70 + ")", "(3, 4, )", "(9" + "9" * 5000 + ",)")  # fmt: skip
TYPES = ("'<f4'", "'>f4'", "'<i4'", "'|O'", "'<M8[D]'", "'<c16'", "'|S9'", "[('a', '<f4')]", "'<U99999999'", "'|V4'",
         "'<f16'", "('<f4', (2, 2))", "'nonsense'", "3", "'|b1'", "[('a', '<f4', (1000000, 1000000))]")  # fmt: skip


def trial(random: Random) -> str:
    is_readable = random.random() < 0.25
    content = readable(random) if is_readable else archive(random, depth=0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = ("a.npz", "a.npz", "x.npy", "a.npz.gz", "a.safetensors")
        path = Path(folder, "a.npz" if is_readable else random.choice(names))
        path.write_bytes(content)
        try:
            with showing(repr(content[:300])):
                outcome = use(random, path, random.choice((ROWS, ROWS, None)))
        except NetError as refused:
            assert len(str(refused)) < 5000
            outcome = "refused"
    assert _megabytes() < MEGABYTES
    return outcome


def _megabytes() -> float:
    """The most memory that this process has had; 0 on Windows, which does not count it."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def readable(random: Random) -> bytes:
    """An archive of the arrays that the model takes, in a third of the cases with a false size."""
    name = random.choice(("a.npz", "c.npz"))
    return _false_sizes(random, samples()[name][0])


def archive(random: Random, depth: int) -> bytes:
    """The bytes of a zip file of up to three members, or of many empty ones; some have false sizes."""
    stream = io.BytesIO()
    packed = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", packed) as out:
        warnings.simplefilter("ignore")
        for _ in range(random.choice((1, 2, 2, 3))):
            name = random.choice(NAMES[: random.choice((2, 2, len(NAMES)))])
            out.writestr(
                zipfile.ZipInfo(name.encode("utf-8", "replace").decode()), member(random, depth), packed
            )
        for n in range(random.choice((0,) * 9 + (3000,))):
            out.writestr(f"{n}.npy", b"")
    return _false_sizes(random, stream.getvalue())


def member(random: Random, depth: int) -> bytes:
    """An array, a header that promises anything, millions of zeros, or a further archive."""
    kind = random.randrange(6)
    if kind == 0 and depth < 2:
        return archive(random, depth + 1)
    if kind == 1:
        stream = io.BytesIO()
        np.save(stream, np.arange(12, dtype=np.float32).reshape(3, 4))
        return stream.getvalue()
    if kind == 2:
        return header(
            f"'<f4', 'fortran_order': {random.choice(('False', 'True', '0', 'None'))}", "(500000, 4)"
        ) + bytes(random.choice((8_000_000, 5)))
    if kind == 3:
        return gzip.compress(bytes(1_000_000))
    order = random.choice(("False", "True", "1", "[]"))
    numbers = bytes(random.choice((0, 4, 12, 48, 192)))
    return header(f"{random.choice(TYPES)}, 'fortran_order': {order}", random.choice(SHAPES)) + numbers


def header(type_and_order: str, shape: str) -> bytes:
    text = f"{{'descr': {type_and_order}, 'shape': {shape}, }}\n".encode()
    if len(text) < 60_000:
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


def _false_sizes(random: Random, content: bytes) -> bytes:
    """The archive, in a third of the cases with another number in a header of its directory."""
    data = bytearray(content)
    starts = (
        [at for at in range(len(data) - 46) if data[at : at + 4] == b"PK\x01\x02"]
        if len(data) < 100_000
        else []
    )
    if starts and random.random() < 0.35:
        at = random.choice(starts) + random.choice((8, 10, 16, 20, 24, 28, 30, 42))
        data[at : at + 4] = random.choice((0, 1, 9, 2**31, 2**32 - 2, 2**32 - 1)).to_bytes(4, "little")
    return bytes(data)
