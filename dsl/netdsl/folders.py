"""Reading files below a folder that nothing may leave: no links are followed, and no races win.

The folder is a directory handle. Each part of a path is opened relative to the handle of the part before it,
so that what was looked at is what is read, whatever others do to the folder meanwhile. Where the system has
no such handles, each part is looked at just before it is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from netdsl.immutable import immutable

HAS_HANDLES = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
MAX_DEPTH = 64
"""The most folders in a path."""
MAX_LISTED = 1_000
"""The most entries of a folder among which a misspelt name is looked for."""
_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_DIRECTORY = getattr(os, "O_DIRECTORY", 1 << 30)


class LinkError(OSError):
    """A part of a path is a link."""


class NotAFileError(OSError):
    """A path leads to a folder, a device or a pipe."""


@immutable
class Folder:
    """A folder that is open for reading; make one with `open_folder`.

    Args:
        path: Its path.
        handle: Its directory handle; None where the system has none.
    """

    path: Path
    handle: int | None

    def read(self, parts: Sequence[str], most: int) -> bytes:
        """The first `most` bytes of a file below the folder.

        Raises:
            OSError: `LinkError`, `NotAFileError`, or what the system says.
            ValueError: the name is none that the system could have.
        """
        with self._below(parts[:-1]) as inner, os.fdopen(inner.open_file(parts[-1]), "rb") as file:
            return file.read(most)

    def names(self, parts: Sequence[str]) -> list[str]:
        """The names of the files in a folder below this one; none if it cannot be read."""
        try:
            with self._below(parts) as inner, os.scandir(inner.place) as entries:
                return [e.name for e in islice(entries, MAX_LISTED) if e.is_file(follow_symlinks=False)]
        except (OSError, ValueError):
            return []

    def folders(self, parts: Sequence[str]) -> list[str]:
        """The names of the folders, but for hidden ones, in a folder below this one; links are left out."""
        try:
            with self._below(parts) as inner, os.scandir(inner.place) as entries:
                listed = [e.name for e in islice(entries, MAX_LISTED) if e.is_dir(follow_symlinks=False)]
        except (OSError, ValueError):
            return []
        return sorted(name for name in listed if not name.startswith("."))

    @property
    def place(self) -> int | Path:
        return self.path if self.handle is None else self.handle

    @contextmanager
    def _below(self, parts: Sequence[str]) -> Iterator[Folder]:
        """The folder at the end of a path, open while the body runs."""
        if not parts:
            yield self
            return
        if len(parts) > MAX_DEPTH:
            raise OSError(errno.ENAMETOOLONG, "too many folders", parts[0])
        inner = _opened(self.path / parts[0], self._open(parts[0], _DIRECTORY))
        with inner as folder, folder._below(parts[1:]) as last:
            yield last

    def open_file(self, name: str) -> int:
        """A descriptor of a plain file in this folder."""
        file = self._open(name, 0)
        assert file is not None
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            os.close(file)
            raise NotAFileError(errno.EISDIR, _kind(mode), name)
        return file

    def _open(self, name: str, flags: int) -> int | None:
        """A descriptor of an entry that is not a link; None for a folder where there are no handles."""
        try:
            if self.handle is not None:
                return os.open(name, _FILE | flags | os.O_NOFOLLOW, dir_fd=self.handle)
            path = self.path / name
            if stat.S_ISLNK(path.lstat().st_mode):
                raise LinkError(errno.ELOOP, "is a link", name)
            if path.is_dir() and not flags:
                raise NotAFileError(errno.EISDIR, "a folder", name)
            return None if path.is_dir() else os.open(path, _FILE | flags)
        except OSError as failed:
            self._explain(name, failed)
            raise

    def _explain(self, name: str, failed: OSError) -> None:
        """Raise the error that says what is at a name."""
        if isinstance(failed, LinkError | NotAFileError):
            return
        at = name if self.handle is not None else self.path / name
        try:
            mode = os.stat(at, dir_fd=self.handle, follow_symlinks=False).st_mode
        except (OSError, ValueError):
            return
        if stat.S_ISLNK(mode):
            raise LinkError(errno.ELOOP, "is a link", name) from None
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise NotAFileError(errno.EISDIR, _kind(mode), name) from None


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"


def refuse_endless(path: Path) -> None:
    """Raise `NotAFileError` for a device or a named pipe, reading which may never end.

    A pipe without a name, which a shell passes for `<(command)`, ends with its command. Raises `OSError` as
    `stat` does, and `ValueError` for a name that the system could not have.
    """
    mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise NotAFileError(errno.EINVAL, "it is a device, not a file", str(path))
    if stat.S_ISFIFO(mode) and os.path.lexists(os.path.realpath(path)):
        raise NotAFileError(errno.EINVAL, "it is a named pipe; save its output to a file first", str(path))


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """A folder, open while the body runs; it may itself be reached by links."""
    handle = os.open(path, _FILE | _DIRECTORY) if HAS_HANDLES else None
    with _opened(path, handle) as folder:
        yield folder


@contextmanager
def _opened(path: Path, handle: int | None) -> Iterator[Folder]:
    try:
        yield Folder(path, handle)
    finally:
        if handle is not None:
            os.close(handle)
