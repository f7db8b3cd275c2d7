"""Whether a file that is to be written is one that is read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from netruntime.files.atomic import resolved


def is_read(target: Path, reads: Iterable[object]) -> bool:
    """Whether the file `target` exists and is among those that `reads` name; a `.net` file always is.

    Files are the same if the system says so, however they are written: other spellings, links, other case.
    `reads` are texts and paths as data is named: a file, `name=file`, `file:key`, a folder or a pattern;
    anything else, such as an array, is ignored.
    """
    try:
        if not target.is_file():
            return False
        path = resolved(target)
    except (OSError, ValueError):  # ValueError for a name with a null byte
        return False
    return path.suffix.lower() == ".net" or any(_is_at(path, file) for file in _named(reads))


def _is_at(path: Path, file: Path) -> bool:
    with suppress(OSError, ValueError):
        return file.samefile(path) or (file.is_dir() and path.is_relative_to(resolved(file)))
    return False


def _named(reads: Iterable[object]) -> Iterator[Path]:
    for spec in reads:
        if isinstance(spec, (str, os.PathLike)):
            text = os.fsdecode(spec)
            if "\n" in text:  # the text of a model
                continue
            for name in {text, text.rpartition("=")[2]}:
                yield Path(name)
                yield Path(name.rpartition(":")[0] or name)
                if glob.has_magic(name):
                    with suppress(OSError, ValueError):
                        yield from map(Path, glob.iglob(name, recursive=True))  # noqa: PTH207 (absolute patterns)
        elif isinstance(spec, (list, tuple)):
            yield from _named(spec)
