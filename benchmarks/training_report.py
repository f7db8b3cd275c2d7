"""Writes the results of `training.py` as JSON and as a Markdown table."""

from __future__ import annotations

import json
import math
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training_engines import PEERS

RESULTS = Path(__file__).parent / "results"
PARTS = ("forward", "training_forward", "step")
LIMIT = 4.0
"""The maximum cost of a step, in forward passes."""

CLOCKS = {
    "wall": "wall-clock time",
    "cpu": "processor time of the process, without other programs",
}
TEXT = """# Training: steps beside PyTorch, and against forward passes

{date}, {device}, {cpu}, {threads} thread(s), Python {python}, NumPy {numpy}, PyTorch {torch}.
Times are the minimum of many runs, in milliseconds of {clock},
after a warm-up. Each engine runs in a process of its own, and they take turns.

- forward: the model in inference mode; training forward: with loss, dropout and batch statistics.
- step: forward, backward, and the update of all weights by Adam.
- ratio: step / forward, which must be at most {limit:g} for netdsl.
- graph: PyTorch runs the same graph eagerly, operator by operator, with autograd and `torch.optim.Adam`.
- module, compile: a module as users of PyTorch write it, eagerly and by `torch.compile`, without dropout; `-`
  where there is none. Its recurrent layers have a second bias.
- peer / netdsl: the fastest step of PyTorch over ours. Geometric mean: {mean:.2f}{losing}.
- Training keeps freed memory in the process (`netruntime.engine.backends.memory`), which speeds up
  forward passes too.

Shapes are those of the first input. Models have their full size.

| example | shape | forward | training forward | step | ratio | graph | module | compile | peer / netdsl |
|---|---|---|---|---|---|---|---|---|---|
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


def best_peer(row: dict[str, Any]) -> float | None:
    """The fastest step of PyTorch over ours; None if either is missing."""
    steps = [row[peer]["step"]["min_s"] for peer in PEERS if "step" in row.get(peer, {})]
    own = row.get("netdsl", {}).get("step")
    return min(steps) / own["min_s"] if own and steps else None


def mean_ratio(rows: dict[str, dict[str, Any]]) -> float:
    """The geometric mean of `best_peer`; NaN without any."""
    found = [ratio for ratio in map(best_peer, rows.values()) if ratio is not None]
    return math.exp(sum(map(math.log, found)) / len(found)) if found else math.nan


def line(name: str, row: dict[str, Any]) -> str:
    """A case in the terminal."""
    cells = [f"{name:20}"]
    for engine, found in row.items():
        if engine == "shape":
            continue
        if "step" not in found:
            cells.append(f"{engine}: {found.get('failed', '-')[:60]}")
            continue
        times = "  ".join(f"{found[part]['min_s'] * 1e3:9.2f}" for part in PARTS if part in found)
        cells.append(f"{engine} {times} ms")
    ratio = best_peer(row)
    return "  ".join([*cells, *([] if ratio is None else [f"best peer / netdsl {ratio:.2f}"])])


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
    ratios = {name: row["netdsl"].get("ratio", 0.0) for name, row in rows.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    losing = [name for name, row in rows.items() if (best_peer(row) or 1) < 1]
    return TEXT.format(
        **{**facts, "clock": CLOCKS[facts["clock"]]},
        limit=LIMIT,
        mean=mean_ratio(rows),
        losing=f"; we lose on {', '.join(f'`{name}`' for name in losing)}" if losing else "",
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
    def time(engine: str, part: str) -> str:
        found = row.get(engine, {}).get(part)
        return f"{found['min_s'] * 1e3:.2f}" if found else "-"

    own = row["netdsl"].get("ratio")
    cells = [name, str(row["shape"]), *(time("netdsl", part) for part in PARTS), f"{own:.2f}" if own else "-"]
    cells += [time(peer, "step") for peer in PEERS]
    ratio = best_peer(row)
    return f"| {' | '.join([*cells, '-' if ratio is None else f'{ratio:.2f}'])} |"
