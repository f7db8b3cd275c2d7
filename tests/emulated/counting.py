"""Counts of what a run asks of the device: launches, waits and uploads, and the lines that ask."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LAUNCHES = ("launches", "gemms", "library", "d2d", "memsets")
"""What goes to the stream: kernels, products, work of libraries, copies and fills on the device."""
OURS = ("/netdsl/", "/netruntime/")


@dataclass
class Counts:
    """What was counted: totals, and waits and uploads by the line of the runtime that asked for them."""

    launches: int = 0
    waits: int = 0
    uploads: int = 0
    wait_lines: Counter[str] = field(default_factory=Counter)
    upload_lines: Counter[str] = field(default_factory=Counter)


def count(kit: Any, run: Callable[[], object]) -> Counts:
    """Run a function and count what it asks of the emulated device."""
    counts = Counts()

    def event(kind: str, size: int, name: str) -> None:
        if kind in ("syncs", "h2d"):
            (counts.wait_lines if kind == "syncs" else counts.upload_lines)[_line()] += 1

    kit.reset()
    kit.on_event(event)
    try:
        run()
    finally:
        kit.on_event(None)
    totals = kit.counters()
    counts.launches = sum(totals[name] for name in LAUNCHES)
    counts.waits, counts.uploads = totals["syncs"], totals["h2d"]
    return counts


def _line() -> str:
    frame = sys._getframe(1)
    while frame is not None and not any(part in frame.f_code.co_filename for part in OURS):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return "elsewhere"
    path = frame.f_code.co_filename
    start = max(path.find("/netdsl/"), path.find("/netruntime/"))
    return f"{path[start + 1 :]}:{frame.f_lineno} {frame.f_code.co_name}"
