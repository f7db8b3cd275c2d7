"""Writes the results of `training.py` as JSON and as a Markdown table."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ENGINES = ("netdsl", "torch")
PARTS = ("forward", "training_forward", "step")
LIMIT = 4.0
"""The maximum cost of a step, in forward passes."""

CLOCKS = {
    "wall": "wall-clock time",
    "cpu": "processor time of the process, without other programs",
}
TEXT = """# Training: steps against forward passes

{date}, {device}, {cpu}, {threads} thread(s), Python {python}, NumPy {numpy}, PyTorch {torch}.
Times are the minimum of many runs, in milliseconds of {clock},
after a warm-up. Each engine runs in a separate process.

- forward: the model in inference mode; training forward: with loss, dropout and batch statistics.
- step: forward, backward, and the update of all weights by Adam.
- ratio: step / forward, which must be at most {limit:g} for netdsl.
- PyTorch runs the same graph eagerly, operator by operator, with autograd and `torch.optim.Adam`.
- Training keeps freed memory in the process (`netruntime.engine.backends.memory`), which speeds up
  forward passes too.

Shapes are those of the first input. Models have their full size.

| example | shape | {head} |
|---|---|{rule}|
{rows}

The largest ratio of netdsl is {most:.2f} (`{worst}`).

## Memory with `recompute`

The peak memory of a step, without the weights and the state of Adam, but with the gradients.

| example | shape | recomputed | peak MB | step ms |
|---|---|---|---|---|
{memory}
"""


def about(threads: int, clock: str) -> dict[str, Any]:
    """The machine and the versions of a measurement."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    found: dict[str, Any] = {
        "date": date.today().isoformat(),
        "device": "cpu",
        "cpu": cpu or platform.processor(),
    }
    found |= {"cores": os.cpu_count(), "threads": threads, "clock": clock}
    return (
        found | {"python": platform.python_version()} | {name: version(name) for name in ("numpy", "torch")}
    )


def line(name: str, row: dict[str, Any]) -> str:
    """A case in the terminal."""
    cells = [f"{name:20}"]
    for engine in ENGINES:
        found = row[engine]
        if "failed" in found:
            cells.append(f"{engine}: {found['failed'][:60]}")
            continue
        times = "  ".join(f"{found[part]['min_s'] * 1e3:9.2f}" for part in PARTS)
        cells.append(f"{engine} {times} ms  x{found['ratio']:.2f} (x{found['training_ratio']:.2f})")
    return "  ".join(cells)


def save(rows: dict[str, dict[str, Any]], memory: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Write `results/training.json` and `results/training.md`; rows measured in the same way are kept."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "training.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("about") == facts:
        rows = before["rows"] | rows
        memory = memory or before["memory"]
    whole = {"about": facts, "rows": rows, "memory": memory}
    path.write_text(json.dumps(whole, indent=2) + "\n")
    (RESULTS / "training.md").write_text(_markdown(rows, memory, facts))


def _markdown(rows: dict[str, dict[str, Any]], memory: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    titles = [
        f"{engine} {what}" for engine in ENGINES for what in ("forward", "training forward", "step", "ratio")
    ]
    ratios = {name: row["netdsl"].get("ratio", 0.0) for name, row in rows.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    return TEXT.format(
        **{**facts, "clock": CLOCKS[facts["clock"]]},
        limit=LIMIT,
        head=" | ".join(titles),
        rule="---|" * (len(titles) - 1) + "---",
        rows="\n".join(_row(name, row) for name, row in rows.items()),
        most=ratios[worst],
        worst=worst,
        memory="\n".join(
            f"| {m['case']} | {m['shape']} | {m['recompute'] or 'nothing'} | {m['peak_bytes'] / 1e6:.1f} "
            f"| {m['min_s'] * 1e3:.0f} |"
            for m in memory
        ),
    )


def _row(name: str, row: dict[str, Any]) -> str:
    cells = [name, str(row["shape"])]
    for engine in ENGINES:
        if "failed" in row[engine]:
            cells += ["-"] * (len(PARTS) + 1)
            continue
        cells += [f"{row[engine][part]['min_s'] * 1e3:.2f}" for part in PARTS]
        cells.append(f"{row[engine]['ratio']:.2f}")
    return f"| {' | '.join(cells)} |"
