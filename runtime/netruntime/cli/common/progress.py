"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from netruntime.cli.common.output import console


class Progress:
    """Counts completed items, and shows how many there are, the rate, and the time left.

    `expected` may be too low: one file can hold many items.
    """

    def __init__(self, expected: int = 0, hidden: bool = False, unit: str = "items") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        screen = console(stderr=True)
        rate = TextColumn("{task.fields[rate]}")
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), rate, TimeRemainingColumn())
        self._bar = Bar(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal)
        self._task = self._bar.add_task("items", total=expected or None, rate="")
        self._expected = expected
        self._done = 0
        self._began = time.perf_counter()

    def advance(self, count: int, expected: int | None = None) -> None:
        """Count `count` more items as completed, of `expected` where that is known by now."""
        self._expected = expected or self._expected
        self._done += count
        seconds = time.perf_counter() - self._began
        rate = f"{self._done / seconds:,.0f}/s" if seconds > 0.5 else ""
        total = max(self._done, self._expected)
        self._bar.update(self._task, completed=self._done, total=total, rate=rate)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
