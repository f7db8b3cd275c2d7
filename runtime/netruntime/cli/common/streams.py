"""The standard streams of the process, also where they are closed, full, or left by their reader."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any


class PipeClosedError(Exception):
    """The reader of our output has closed the pipe."""


class OutputError(Exception):
    """Standard output cannot be written; the text is the system's reason."""


class StandardStream(io.TextIOWrapper):
    """Standard output, which reports what cannot be written with errors of our own, never as `OSError`.

    click and rich handle `OSError` themselves. On standard error, which `is_optional`, text that cannot be
    written is lost, and the command goes on.
    """

    is_optional = False

    def write(self, text: str, /) -> int:
        """Write a text. Raises `OutputError` and `PipeClosedError`."""
        try:
            return super().write(text)
        except OSError as reason:
            self._fail(reason)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered. Raises `OutputError` and `PipeClosedError`."""
        try:
            super().flush()
        except OSError as reason:
            self._fail(reason)

    def _fail(self, reason: OSError) -> None:
        if isinstance(reason, BrokenPipeError):
            raise PipeClosedError from None
        if not self.is_optional:
            raise OutputError(reason.strerror or str(reason)) from None


def open_standard_streams() -> None:
    """Replace closed standard streams, and escape characters that the terminal cannot show.

    Reading or writing a replaced one fails with `EBADF` as the system's own call does. Its descriptor is
    taken, so that no file that is opened later receives what is printed.
    """
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(_stand_in(os.O_WRONLY, "rb"), "utf-8")
    sys.stdout = _guarded(sys.stdout, sys.__stdout__, os.O_RDONLY)
    sys.stderr = _guarded(sys.stderr, sys.__stderr__, os.O_WRONLY)
    if isinstance(sys.stderr, StandardStream):
        sys.stderr.is_optional = True


def _guarded(stream: Any, original: Any, access: int) -> Any:
    """A standard stream as ours; one that is not the process's own, as in tests, stays as it is."""
    if stream is None:
        return StandardStream(_stand_in(access, "wb"), "utf-8", "backslashreplace", line_buffering=True)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    if stream is not original:
        return stream
    return StandardStream(stream.buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


def _stand_in(access: int, mode: str) -> Any:
    return os.fdopen(os.open(os.devnull, access), mode, closefd=False)


def let_go(stream: Any) -> None:
    """Send what a stream cannot write to nowhere: Python would report it at the end of the process."""
    try:
        stream.flush()
    except (OSError, OutputError, PipeClosedError):
        _drop(stream)
    if getattr(stream, "is_optional", False):
        with suppress(OSError):
            stream.buffer.flush()
            return
        _drop(stream)


def _drop(stream: Any) -> None:
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
