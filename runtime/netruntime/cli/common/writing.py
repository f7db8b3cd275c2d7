"""Writing the files that a command makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from netruntime.cli.common.failures import file_error, usage_error
from netruntime.errors import shown


@contextmanager
def write_failures(path: Path) -> Iterator[None]:
    """Report a file that cannot be written: raises `FileAccessError` E0941."""
    try:
        yield
    except (OSError, ValueError) as reason:  # a name with a NUL is a ValueError
        detail = getattr(reason, "strerror", None) or reason
        raise file_error("E0941", f"cannot write {shown(path)}: {detail}") from None


def check_output(path: Path, reads: Iterable[object], what: str) -> None:
    """Check before anything runs that a file can be written, and is none that the command reads.

    Args:
        reads: Texts that name files and folders, as options do; None is ignored.
        what: What is written: `the drawing`.

    Raises:
        CommandLineError: E0925 if it would replace a file that is read.
        FileAccessError: E0941 if there is no such folder, or there is something else than a file.
    """
    from netruntime.files.atomic import writable_target
    from netruntime.files.overlap import is_read

    if is_read(path, reads):
        message = f"{what} would replace {shown(path)}, which this command reads"
        raise usage_error("E0925", message, "name another file")
    with write_failures(path):
        target = writable_target(path)
    if not target.parent.is_dir():
        raise file_error("E0941", f"there is no folder {shown(path.parent)} to save {shown(path.name)} in")


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically, a text as UTF-8. Raises `FileAccessError` E0941."""
    from netruntime.files.atomic import write_bytes

    with write_failures(path):
        write_bytes(path, content.encode("utf-8") if isinstance(content, str) else content)


def replace_text(path: Path, text: str) -> None:
    """Replace the text of a file, keeping its mode. Raises `FileAccessError` E0941."""
    from netruntime.files.atomic import write_atomically

    def write(stream: BinaryIO) -> None:
        stream.write(text.encode("utf-8"))
        Path(stream.name).chmod(mode)

    with write_failures(path):
        mode = path.stat().st_mode & 0o7777
        write_atomically(path, write)
