"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from netruntime.cli.common.output import console


class Progress:
    """Counts completed items. `expected` may be too low: one file can hold many items."""

    def __init__(self, expected: int, hidden: bool = False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        screen = console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal)
        self._task = self._bar.add_task("items", total=expected)
        self._expected = expected
        self._done = 0

    def advance(self, count: int) -> None:
        """Count `count` more items as completed."""
        self._done += count
        self._bar.update(self._task, completed=self._done, total=max(self._done, self._expected))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
