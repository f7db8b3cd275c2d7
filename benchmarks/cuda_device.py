"""The array tests on a CUDA device, and forward passes compared with the CPU; needs CuPy and a GPU.

    python benchmarks/cuda_device.py [--save]

Each engine runs in a separate process. Without a device the script reports it and exits with status 1.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MODELS = {"lenet5": 64, "resnet18": 16, "vit": 8}
FORWARD = """
import statistics, sys, time, warnings
import numpy as np
import netruntime as nr
name, batch, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
net = nr.load(f"{sys.argv[4]}/examples/{name}.net", device=device)
shape = [batch if not d.is_fixed and str(d) == "B" else (d.value if d.is_fixed else 224)
         for d in net.inputs["image"].shape]
image = net.device.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
def once():
    start = time.perf_counter()
    net(image=image)
    if device != "cpu":
        net.device.xp.cuda.Device().synchronize()
    return time.perf_counter() - start
for _ in range(3):
    once()
times = [once() for _ in range(10)]
print(min(times), statistics.median(times))
"""


def run_tests() -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/ops",
        "tests/runtime",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "cuda",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    failed = re.findall(r"^FAILED (.*)", done.stdout, re.MULTILINE)
    return {"status": done.returncode, **counts, "failures": failed[:50]}


def forward(name: str, batch: int, device: str) -> dict[str, float]:
    command = [sys.executable, "-c", FORWARD, name, str(batch), device, str(ROOT)]
    least, median = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return {"min_s": float(least), "median_s": float(median)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    try:
        import cupy
    except ImportError:
        sys.exit("CuPy is not installed: pip install netdsl[cuda13]")
    if not cupy.cuda.is_available():
        sys.exit("there is no CUDA device here")
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    about = {
        "device": name,
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "python": platform.python_version(),
    }
    about |= {"cupy": cupy.__version__, "numpy": version("numpy")}
    tests = run_tests()
    print(name, tests)
    rows = {}
    for model, batch in MODELS.items():
        rows[model] = {"batch": batch, **{d: forward(model, batch, d) for d in ("cpu", "cuda")}}
        print(model, rows[model])
    if options.save:
        slug = re.sub(r"\W+", "-", name.lower()).strip("-")
        path = ROOT / "benchmarks" / "results" / f"cuda-{slug}.json"
        path.write_text(json.dumps({"about": about, "tests": tests, "forward": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
