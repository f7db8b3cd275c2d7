"""Launches, waits and uploads of every small network on an emulated CUDA device.

python benchmarks/cuda_emulated.py [--only NAME] [--lines] [--save before|after]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KINDS = ("launches", "waits", "uploads")
TEXT = """# Launches and waits on a CUDA device

Counted by `benchmarks/cuda_emulated.py` on an emulated device, which runs CuPy 14.2 on a CPU, without a GPU.
Counts do not depend on the machine. Networks are the examples made small (`tests/zoo/small.py`), in f32.

- launches: kernels, products of cuBLAS, work of other libraries, copies and fills on the device.
- waits: how often the host waits for the device. uploads: copies from the host to the device.
- inference: one run on arrays of the host. training step: one update within `fit`, by AdamW with
  `clip = norm(1.0)` or by the optimizer named. token: one more token of `generate`.
- before: commit ef2f2fd, in which each weight, gather, metric and loss waited by itself.

| load | launches before | after | waits before | after | uploads before | after |
|---|---|---|---|---|---|---|
{rows}
"""
ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT / "tests"))

from emulated import kit  # noqa: E402

emulator = kit.load()

from emulated.counting import count  # noqa: E402
from emulated.loads import Load, loads  # noqa: E402


def measure(load: Load, lines: bool) -> dict[str, float]:
    less, more = count(emulator, load.less), count(emulator, load.more)
    found = {name: round((getattr(more, name) - getattr(less, name)) / load.extra, 2) for name in KINDS}
    print(f"{load.kind} {load.name}: {found}", flush=True)
    if lines:
        for kind, known, new in (
            ("wait", less.wait_lines, more.wait_lines),
            ("upload", less.upload_lines, more.upload_lines),
        ):
            for line, number in (new - known).most_common():
                print(f"    {kind} x{number / load.extra:g}: {line}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--save", choices=["before", "after"])
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for load in loads(options.only):
        figures[f"{load.kind} {load.name}"] = measure(load, options.lines)
    if options.save:
        path = RESULTS / "cuda-emulated.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        known[options.save] = {**known.get(options.save, {}), **figures}
        path.write_text(json.dumps(known, indent=1) + "\n")
        path.with_suffix(".md").write_text(TEXT.format(rows="\n".join(rows(known))))


def rows(known: dict[str, Any]) -> Iterator[str]:
    """The lines of the table: each load before and after."""
    for name, after in known.get("after", {}).items():
        before = known.get("before", {}).get(name, {})
        pairs = (f"{before.get(kind, 0):g} | {after[kind]:g}" for kind in KINDS)
        yield f"| {name} | {' | '.join(pairs)} |"


if __name__ == "__main__":
    main()
