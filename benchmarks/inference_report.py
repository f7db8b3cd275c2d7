"""Writes the results of `inference.py` as JSON and as Markdown tables."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
OURS = ("netdsl", "netdsl on NumPy")
PEERS = ("PyTorch", "torch.compile", "ONNX Runtime", "OpenVINO", "transformers")
PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "transformers")
TEXT = """# Inference beside other engines

{date}, {cpu}, {cores} cores, {threads} threads, netdsl's {engine}, Python {python}, {versions}.{quick}

f32, the same networks with random weights. Times are the minimum of many runs, in milliseconds, from arrays
of NumPy to arrays of NumPy. Each engine has a process of its own; the processes run in turns, several rounds.
Ratio: the best other engine / netdsl, so above 1 netdsl is faster. {script} makes these tables.

| network | {engines} | ratio |
|---|{rule}---|
{times}

The geometric mean of the ratios is {mean}. Above 1 in every round of {rounds}: {surely} of {count} rows.

## Memory

The most memory of each process that was resident at once, in MB: the interpreter, the libraries, the weights
and what the engine makes of them, the values of a run; loading and compiling included. Ratio as above.

| network | {engines} | ratio |
|---|{rule}---|
{memory}
{starts}"""
STARTS = """
## Start

Complete processes, in seconds, the minimum of {runs}.

| process | seconds |
|---|---|
{rows}
"""


def about(threads: int, quick: bool) -> dict[str, Any]:
    """The machine and the versions of a measurement."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "date": date.today().isoformat(),
        "cpu": cpu or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "quick": quick,
        "engine": engine_text(),
        "versions": {name: version_of(name) for name in PACKAGES},
    }


def engine_text() -> str:
    """`native engine (avx512)`; asked in a process of its own, as this one stays small."""
    import subprocess
    import sys

    code = "from netruntime.native.library import load_library as l; f = l(); print(f.isa if f else '')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    isa = done.stdout.strip()
    return f"native engine ({isa})" if isa else "operators on NumPy"


def version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def best_peer(row: Mapping[str, Any], key: str = "min_s") -> float | None:
    """The least figure of the other engines."""
    return min((row[name][key] for name in PEERS if key in row.get(name, {})), default=None)


def ratio(row: Mapping[str, Any], key: str = "min_s") -> float | None:
    """The best peer / netdsl."""
    best, own = best_peer(row, key), row.get("netdsl", {}).get(key)
    return None if best is None or own is None else best / own


def is_surely_faster(row: Mapping[str, Any]) -> bool:
    """Whether netdsl was faster than every peer in each round."""
    own = row["netdsl"].get("round_min_s", [])
    peers = [row[name]["round_min_s"] for name in PEERS if "round_min_s" in row.get(name, {})]
    return bool(own and peers) and all(mine < min(peer) for mine, *peer in zip(own, *peers, strict=True))


def milliseconds(row: Mapping[str, Any]) -> str:
    if "min_s" not in row:
        return "failed" if "failed" in row else ""
    value = 1000 * row["min_s"]
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.4f}"


def line(name: str, row: Mapping[str, Any]) -> str:
    """A row for a terminal."""
    parts = [f"{engine} {milliseconds(found)}" for engine, found in row.items()]
    failed = [f"\n  {engine}: {found['failed']}" for engine, found in row.items() if "failed" in found]
    found = ratio(row)
    return f"{name:32} {'' if found is None else f'{found:.2f}'}  {', '.join(parts)} ms{''.join(failed)}"


def save(rows: Mapping[str, Mapping[str, Any]], starts: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write `results/inference.json` and `.md`."""
    RESULTS.mkdir(exist_ok=True)
    document = {"about": facts, "rows": rows, "starts": starts}
    (RESULTS / "inference.json").write_text(json.dumps(document, indent=1) + "\n")
    (RESULTS / "inference.md").write_text(markdown(rows, starts, facts))


def markdown(
    rows: Mapping[str, Mapping[str, Any]], starts: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    engines = [name for name in (*OURS, *PEERS) if any(name in row for row in rows.values())]
    ratios = [found for row in rows.values() if (found := ratio(row)) is not None]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")
    versions = [f"{name} {number}" for name, number in facts["versions"].items() if number]
    values = {**facts, "versions": ", ".join(versions), "quick": " A quick run." if facts["quick"] else ""}
    return TEXT.format(
        **values,
        script="`benchmarks/inference.py`",
        engines=" | ".join(engines),
        rule="---|" * len(engines),
        times="\n".join(_time_row(name, row, engines) for name, row in rows.items()),
        memory="\n".join(_memory_row(name, row, engines) for name, row in rows.items()),
        mean=f"{mean:.2f}",
        rounds=max((len(row.get("netdsl", {}).get("round_min_s", [])) for row in rows.values()), default=0),
        surely=sum(map(is_surely_faster, rows.values())),
        count=len(rows),
        starts=_starts(starts),
    )


def _time_row(name: str, row: Mapping[str, Any], engines: list[str]) -> str:
    cells = [milliseconds(row.get(engine, {})) for engine in engines]
    return f"| {name} | {' | '.join(cells)} | {_ratio_text(ratio(row))} |"


def _memory_row(name: str, row: Mapping[str, Any], engines: list[str]) -> str:
    peaks = [row.get(engine, {}).get("peak_bytes") for engine in engines]
    cells = ["" if peak is None else f"{peak / 1e6:.0f}" for peak in peaks]
    return f"| {name} | {' | '.join(cells)} | {_ratio_text(ratio(row, 'peak_bytes'))} |"


def _ratio_text(found: float | None) -> str:
    return "" if found is None else f"{found:.2f}"


def _starts(starts: Mapping[str, Any]) -> str:
    if not starts:
        return ""
    rows = "\n".join(f"| {row['text']} | {row['min_s']:.3f} |" for row in starts.values())
    return STARTS.format(rows=rows, runs=next(iter(starts.values()))["runs"])
