"""Launches, waits and uploads of every small network on an emulated CUDA device.

python benchmarks/cuda_emulated.py [--only NAME] [--lines] [--save before|after]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT / "tests"))

from emulated import kit  # noqa: E402

emulator = kit.load()

from emulated.counting import count  # noqa: E402
from emulated.loads import Load, loads  # noqa: E402


def measure(load: Load, lines: bool) -> dict[str, float]:
    less, more = count(emulator, load.less), count(emulator, load.more)
    found = {
        name: round((getattr(more, name) - getattr(less, name)) / load.extra, 2)
        for name in ("launches", "waits", "uploads")
    }
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
        path.write_text(json.dumps({**known, options.save: figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
