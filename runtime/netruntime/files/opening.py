"""What the readers share: opening files, plain or gzipped, and what goes wrong there."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from netdsl.diagnostics import suggest
from netdsl.folders import refuse_endless
from netruntime.errors import DataInputError, shown

ZIP_DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error)


def near_file(path: Path, is_wanted: Callable[[Path], bool] = Path.is_file) -> str | None:
    """A help for a file that is missing: one of a similar name in its folder, or what the folder has."""
    try:
        others = (p for p in path.parent.iterdir() if is_wanted(p))
        names = sorted(p.name for p in others if not p.name.startswith("."))
    except (OSError, ValueError):
        return None
    alike = [name for name in names if Path(name).suffix.lower() == path.suffix.lower()]
    if near := suggest(path.name, alike) or suggest(path.name, names):
        return near
    listed = ", ".join(map(shown, alike[:5]))
    return f"its folder has {listed}{' and others' if len(alike) > 5 else ''}" if alike else None


def read_text_file(path: Path) -> str:
    """A file of UTF-8 text, with `\\n` at the ends of lines. Raises `DataInputError` E0816 and `OSError`."""
    refuse_endless(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data[: wrong.start].count(b"\n") + 1
        message = f"line {line} of {shown(path)} is not UTF-8 text: {wrong.reason}"
        raise DataInputError.make("E0816", message) from wrong
    return text.replace("\r\n", "\n")


def open_binary(path: Path) -> BinaryIO:
    """A file to be read, unpacked as it is read where its name ends in `.gz`. Raises `OSError`."""
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")
