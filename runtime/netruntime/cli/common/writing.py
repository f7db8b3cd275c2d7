"""Writing the files that a command makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from netruntime.cli.common.failures import file_error
from netruntime.errors import shown


@contextmanager
def write_failures(path: Path) -> Iterator[None]:
    """Report a file that cannot be written: raises `FileAccessError` E0941."""
    try:
        yield
    except (OSError, ValueError) as reason:  # a name with a NUL is a ValueError
        detail = getattr(reason, "strerror", None) or reason
        raise file_error("E0941", f"cannot write {shown(path)}: {detail}") from None


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically, a text as UTF-8. Raises `FileAccessError` E0941."""
    from netruntime.files.atomic import write_bytes

    with write_failures(path):
        write_bytes(path, content.encode("utf-8") if isinstance(content, str) else content)


def replace_text(path: Path, text: str) -> None:
    """Replace the text of a file, keeping its mode. Raises `FileAccessError` E0941."""
    from netruntime.files.atomic import write_atomically

    mode = path.stat().st_mode & 0o7777

    def write(stream: BinaryIO) -> None:
        stream.write(text.encode("utf-8"))
        Path(stream.name).chmod(mode)

    with write_failures(path):
        write_atomically(path, write)
