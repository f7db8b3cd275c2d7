"""What the records of experiments have in common: where and with what a run was made, and tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
RUNS = EXAMPLES / "runs"


def machine() -> str:
    """One line: the processor, the threads of a matrix product, the versions and the day."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("netdsl", "numpy"))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    python = f"Python {platform.python_version()}"
    return f"{_processor()}, OMP_NUM_THREADS={threads}; {versions}, {python}; {datetime.now(UTC):%Y-%m-%d}"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [list(headings), ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} with {os.cpu_count()} cores"
