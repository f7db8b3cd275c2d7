"""Shared by the pages of experiments: stored runs, the description of the machine, and tables."""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from netruntime.charts import Canvas, to_svg

EXAMPLES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXAMPLES))  # for the modules of the demo
RUNS = EXAMPLES / "runs"


def remembered(name: str, key: Mapping[str, Any], run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The figures of a run: those that runs/NAME.jsonl keeps for `key`, else those of `run`, then kept.

    `key` says what is run. Beside the figures stand `seconds`, `cpu_seconds` (those of the processor) and the
    `machine`. Delete a line of the file to repeat its run.
    """
    path = RUNS / f"{name}.jsonl"
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        kept: dict[str, Any] = json.loads(line)
        if kept["run"] == dict(key):
            return kept
    began, used = perf_counter(), process_time()
    result = run()
    seconds = {"seconds": round(perf_counter() - began, 1), "cpu_seconds": round(process_time() - used, 1)}
    made = {"run": dict(key), **result, **seconds, "machine": machine()}
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(made) + "\n")
    return made


def machine() -> str:
    """One line: the processor, the threads of a matrix product, the versions and the day."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("netdsl", "numpy"))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    python = f"Python {platform.python_version()}"
    return f"{_processor()}, OMP_NUM_THREADS={threads}; {versions}, {python}; {datetime.now(UTC):%Y-%m-%d}"


def save_svg(canvas: Canvas, name: str) -> None:
    """Write a chart to runs/NAME.svg."""
    RUNS.mkdir(exist_ok=True)
    (RUNS / f"{name}.svg").write_text(to_svg(canvas), "utf-8")


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
