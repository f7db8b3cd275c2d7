"""The start-up time of `netrun check`, compared with importing only numpy, lark and networkx.

python benchmarks/startup.py --runs 15 [--save]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
NETRUN = [sys.executable, "-c", "from netruntime.cli import main; main()"]
COMMANDS = {
    "imports": [sys.executable, "-c", "import numpy, lark, networkx"],
    "check": [*NETRUN, "check", str(ROOT / "examples" / "lenet5.net")],
    "help": [*NETRUN, "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(options.runs + 1):
        for name, command in COMMANDS.items():
            elapsed = seconds(command)
            if run:  # the first round warms the file cache
                times[name].append(elapsed)
    base = statistics.median(times["imports"])
    rows = {
        name: {"min_s": min(t), "median_s": statistics.median(t), "ratio": statistics.median(t) / base}
        for name, t in times.items()
    }
    for name, row in rows.items():
        print(f"{name:8} min {row['min_s']:.3f} s  median {row['median_s']:.3f} s  x{row['ratio']:.2f}")
    if options.save:
        about = {"python": platform.python_version(), "machine": platform.machine(), "runs": options.runs}
        about |= {name: version(name) for name in ("numpy", "lark", "networkx", "click")}
        path = ROOT / "benchmarks" / "results" / "startup.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
