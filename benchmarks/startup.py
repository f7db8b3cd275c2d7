"""The time of complete processes: `netrun check` and `netrun run`, beside imports and a script of PyTorch.

python benchmarks/startup.py --runs 15 [--save]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LENET = ROOT / "examples" / "lenet5.net"
PICTURE = ROOT / "examples" / "data" / "digit-7.png"
NETRUN = [sys.executable, "-c", "from netruntime.cli import main; main()"]
COMMANDS = {
    "imports": [sys.executable, "-c", "import numpy, click"],
    "check": [*NETRUN, "check", str(LENET)],
    "help": [*NETRUN, "--help"],
    "run": [*NETRUN, "run", str(LENET), "--input", f"image={PICTURE}", "--resize", "stretch"],
}
SCRIPT = Path(__file__).with_name("startup_torch.py")
PYTORCH = {"torch": [sys.executable, str(SCRIPT), str(PICTURE), str(LENET.with_suffix(".safetensors"))]}
TEXTS = {
    "imports": "importing numpy and click",
    "check": "`netrun check examples/lenet5.net`",
    "help": "`netrun --help`",
    "run": "`netrun run examples/lenet5.net --input image=digit-7.png`",
    "torch": "the same run as a script of PyTorch",
}


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled in the first round only, as they are for users."""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def compared(runs: int) -> dict[str, dict[str, Any]]:
    """The time of each process, which take turns; that of PyTorch only if it is installed."""
    commands = COMMANDS | (PYTORCH if find_spec("torch") else {})
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            elapsed = seconds(command)
            if run:  # the first round warms the file cache
                times[name].append(elapsed)
    base = statistics.median(times["imports"])
    rows: dict[str, dict[str, Any]] = {}
    for name, found in times.items():
        median = statistics.median(found)
        row = {"text": TEXTS[name], "min_s": min(found), "median_s": median, "ratio": median / base}
        rows[name] = {**row, "runs": runs}
        print(f"{name:8} min {min(found):.3f} s  median {median:.3f} s  x{median / base:.2f}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    rows = compared(options.runs)
    if options.save:
        about = {"python": platform.python_version(), "machine": platform.machine(), "runs": options.runs}
        about |= {name: version(name) for name in ("numpy", "click")}
        path = ROOT / "benchmarks" / "results" / "startup.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
